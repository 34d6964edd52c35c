with

source as (

    select * from {{ source('synthea_csv', 'patients') }}

),

renamed as (

    select
        -- place
        delivery_id,
        'patients' as source_table,
        file_no,
        line_no,

        -- record
        patient_id as record_id,
        {{ content_hash() }} as content_hash,
        cast(null as varchar) as source_version,
        patient_id as person_id,
        split_key,
        false as period_is_delivered,

        -- person
        birth_year as year_of_birth,
        birth_month as month_of_birth,
        gender as gender_source_value,
        race as race_source_value,
        ethnicity as ethnicity_source_value,
        cast(null as integer) as delivered_gender_concept_id,
        cast(null as integer) as delivered_race_concept_id,
        cast(null as integer) as delivered_ethnicity_concept_id,

        -- where and by whom
        cast(null as bigint) as location_id,
        cast(null as bigint) as provider_id,
        cast(null as bigint) as care_site_id

    from source

)

select * from renamed
