with

source as (

    select * from {{ source('omop_cdm', 'location') }}

),

renamed as (

    select
        -- place
        delivery_id,
        'location' as source_table,
        file_no,
        line_no,

        -- record
        location_id as record_id,
        {{ content_hash() }} as content_hash,
        cast(null as varchar) as source_version,

        -- place on the map
        state,
        county,
        country_concept_id,
        country_source_value

    from source

)

select * from renamed
