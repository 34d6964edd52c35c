with

source as (

    select * from {{ source('fhir_r4', 'procedure') }}

),

status_rules as (

    select * from {{ ref('status_rules') }}

),

codings_chosen as (

    select * from {{ ref('stg_fhir_r4__codings_chosen') }}

),

renamed as (

    select
        -- place
        source.delivery_id,
        'procedure' as source_table,
        source.file_no,
        source.line_no,
        0 as part,

        -- record
        source.procedure_id as record_id,
        {{ content_hash('source', fhir_version_columns()) }}
            as content_hash,
        {{ fhir_source_version() }}
            as source_version,
        source.patient_id as person_id,
        source.encounter_id as delivered_visit_id,
        status_rules.rule as exclusion_rule,

        -- dates
        source.start_date as delivered_event_date,
        source.end_date,
        cast(null as date) as recorded_date,
        cast(null as date) as fallback_known_date,

        -- code
        codings_chosen.vocabulary_id,
        codings_chosen.code as source_value,
        cast(null as integer) as delivered_concept_id,
        cast(null as integer) as delivered_source_concept_id,
        {{ ehr_type_concept_id() }} as type_concept_id,

        -- of this kind
        cast(null as integer) as modifier_concept_id,
        cast(null as integer) as quantity

    from source

    left join status_rules
        on source.status = status_rules.status

    left join codings_chosen
        on source.codings = codings_chosen.codings

)

select * from renamed
