with

source as (

    select * from {{ source('hospital_csv', 'encounters') }}

),

renamed as (

    select
        -- place
        delivery_id,
        'encounters' as source_table,
        file_no,
        line_no,

        -- record
        encounter_no as record_id,
        {{ content_hash() }} as content_hash,
        cast(null as varchar) as source_version,
        patient_no as person_id,
        cast(null as varchar) as exclusion_rule,

        -- visit
        cast(start_datetime as date) as visit_start_date,
        cast(end_datetime as date) as visit_end_date,
        cast(null as date) as fallback_known_date,
        visit_type as class_code,
        cast(null as integer) as delivered_visit_concept_id,
        {{ ehr_type_concept_id() }} as visit_type_concept_id,
        cast(null as integer) as visit_source_concept_id,
        cast(null as integer) as admitted_from_concept_id,
        cast(null as integer) as discharged_to_concept_id,
        cast(null as bigint) as preceding_visit_occurrence_id,

        -- where and by whom
        cast(null as bigint) as provider_id,
        cast(null as bigint) as care_site_id

    from source

)

select * from renamed
