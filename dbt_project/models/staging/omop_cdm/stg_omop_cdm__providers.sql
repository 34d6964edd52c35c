with

source as (

    select * from {{ source('omop_cdm', 'provider') }}

),

renamed as (

    select
        -- place
        delivery_id,
        'provider' as source_table,
        file_no,
        line_no,

        -- record
        provider_id as record_id,
        {{ content_hash() }} as content_hash,
        cast(null as varchar) as source_version,
        cast(null as varchar) as exclusion_rule,

        -- provider
        specialty_concept_id,
        care_site_id,
        gender_concept_id,
        specialty_source_value,
        specialty_source_concept_id,
        gender_source_value,
        gender_source_concept_id

    from source

)

select * from renamed
