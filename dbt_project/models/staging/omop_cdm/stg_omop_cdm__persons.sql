with

source as (

    select * from {{ source('omop_cdm', 'person') }}

),

renamed as (

    select
        -- place
        delivery_id,
        'person' as source_table,
        file_no,
        line_no,

        -- record
        person_id as record_id,
        {{ content_hash() }} as content_hash,
        cast(null as varchar) as source_version,
        person_id,
        split_key,
        true as period_is_delivered,

        -- person
        year_of_birth,
        month_of_birth,
        gender_source_value,
        race_source_value,
        ethnicity_source_value,
        gender_concept_id as delivered_gender_concept_id,
        race_concept_id as delivered_race_concept_id,
        ethnicity_concept_id as delivered_ethnicity_concept_id,

        -- where and by whom
        location_id,
        provider_id,
        care_site_id

    from source

)

select * from renamed
