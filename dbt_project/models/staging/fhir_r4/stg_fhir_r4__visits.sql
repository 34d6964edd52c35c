with

source as (

    select * from {{ source('fhir_r4', 'encounter') }}

),

status_rules as (

    select * from {{ ref('status_rules') }}

),

renamed as (

    select
        -- place
        source.delivery_id,
        'encounter' as source_table,
        source.file_no,
        source.line_no,

        -- record
        source.encounter_id as record_id,
        {{ content_hash('source', fhir_version_columns()) }}
            as content_hash,
        {{ fhir_source_version() }}
            as source_version,
        source.patient_id as person_id,
        status_rules.rule as exclusion_rule,

        -- visit
        source.start_date as visit_start_date,
        source.end_date as visit_end_date,
        cast(null as date) as fallback_known_date,
        source.class_code,
        cast(null as integer) as delivered_visit_concept_id,
        {{ ehr_type_concept_id() }} as visit_type_concept_id,
        cast(null as integer) as visit_source_concept_id,
        cast(null as integer) as admitted_from_concept_id,
        cast(null as integer) as discharged_to_concept_id,
        cast(null as bigint) as preceding_visit_occurrence_id,

        -- where and by whom
        source.provider_id,
        source.care_site_id

    from source

    left join status_rules
        on source.status = status_rules.status

)

select * from renamed
