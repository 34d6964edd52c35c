with

source as (

    select * from {{ source('fhir_r4', 'location') }}

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
        {{ content_hash('source', fhir_version_columns()) }}
            as content_hash,
        {{ fhir_source_version() }}
            as source_version,

        -- place on the map
        state,
        county,
        cast(null as integer) as country_concept_id,
        country as country_source_value

    from source

)

select * from renamed
