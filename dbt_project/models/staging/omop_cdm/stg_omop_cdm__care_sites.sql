with

source as (

    select * from {{ source('omop_cdm', 'care_site') }}

),

renamed as (

    select
        -- place
        delivery_id,
        'care_site' as source_table,
        file_no,
        line_no,

        -- record
        care_site_id as record_id,
        {{ content_hash() }} as content_hash,
        cast(null as varchar) as source_version,
        cast(null as varchar) as exclusion_rule,

        -- care site
        care_site_name,
        place_of_service_concept_id,
        location_id,
        place_of_service_source_value

    from source

)

select * from renamed
