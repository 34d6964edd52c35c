with

source as (

    select * from {{ source('synthea_csv', 'organizations') }}

),

renamed as (

    select
        -- place
        delivery_id,
        'organizations' as source_table,
        file_no,
        line_no,

        -- record
        care_site_id as record_id,
        {{ content_hash() }} as content_hash,
        cast(null as varchar) as source_version,
        cast(null as varchar) as exclusion_rule,

        -- care site
        name as care_site_name,
        cast(null as integer) as place_of_service_concept_id,
        cast(null as bigint) as location_id,
        cast(null as varchar) as place_of_service_source_value

    from source

)

select * from renamed
