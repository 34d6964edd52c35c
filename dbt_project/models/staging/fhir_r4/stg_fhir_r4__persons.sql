with

source as (

    select * from {{ source('fhir_r4', 'patient') }}

),

renamed as (

    select
        -- place
        source.delivery_id,
        'patient' as source_table,
        source.file_no,
        source.line_no,

        -- record
        source.patient_id as record_id,
        {{ content_hash('source', fhir_version_columns()) }}
            as content_hash,
        {{ fhir_source_version() }}
            as source_version,
        source.patient_id as person_id,
        source.split_key,
        false as period_is_delivered,

        -- person
        source.birth_year as year_of_birth,
        source.birth_month as month_of_birth,
        source.gender as gender_source_value,
        source.race_code as race_source_value,
        source.ethnicity_code as ethnicity_source_value,
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
