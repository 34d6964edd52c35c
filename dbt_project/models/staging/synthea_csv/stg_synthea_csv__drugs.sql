-- Medications and immunisations: one row each.
with

medications as (

    select * from {{ source('synthea_csv', 'medications') }}

),

immunizations as (

    select * from {{ source('synthea_csv', 'immunizations') }}

),

medications_renamed as (

    select
        -- place
        delivery_id,
        'medications' as source_table,
        file_no,
        line_no,
        0 as part,

        -- record: these tables have no ids, so a record is what began when; its
        -- end and its dispenses may come later and are no part of it
        {{ key_hash([
            'patient_id', 'encounter_id', 'code', 'start_at',
        ]) }} as record_id,
        {{ content_hash('medications') }} as content_hash,
        cast(null as varchar) as source_version,
        patient_id as person_id,
        encounter_id as delivered_visit_id,
        cast(null as varchar) as exclusion_rule,

        -- dates
        cast(start_at as date) as delivered_event_date,
        cast(stop_at as date) as end_date,
        cast(start_at as date) as recorded_date,
        cast(null as date) as fallback_known_date,

        -- code
        'RxNorm' as vocabulary_id,
        code as source_value,
        cast(null as integer) as delivered_concept_id,
        cast(null as integer) as delivered_source_concept_id,
        {{ ehr_type_concept_id() }} as type_concept_id,

        -- of this kind
        cast(stop_at as date) as verbatim_end_date,
        dispenses - 1 as refills,
        cast(null as double) as quantity,
        cast(null as integer) as days_supply,
        cast(null as integer) as route_concept_id

    from medications

),

immunizations_renamed as (

    select
        -- place
        delivery_id,
        'immunizations' as source_table,
        file_no,
        line_no,
        0 as part,

        -- record: these tables have no ids, so a record is what it says
        {{ key_hash([
            'patient_id', 'encounter_id', 'code', 'given_at',
        ]) }} as record_id,
        {{ content_hash('immunizations') }} as content_hash,
        cast(null as varchar) as source_version,
        patient_id as person_id,
        encounter_id as delivered_visit_id,
        cast(null as varchar) as exclusion_rule,

        -- dates
        cast(given_at as date) as delivered_event_date,
        cast(given_at as date) as end_date,
        cast(given_at as date) as recorded_date,
        cast(null as date) as fallback_known_date,

        -- code
        'CVX' as vocabulary_id,
        code as source_value,
        cast(null as integer) as delivered_concept_id,
        cast(null as integer) as delivered_source_concept_id,
        {{ ehr_type_concept_id() }} as type_concept_id,

        -- of this kind
        cast(given_at as date) as verbatim_end_date,
        cast(null as integer) as refills,
        cast(null as double) as quantity,
        cast(null as integer) as days_supply,
        cast(null as integer) as route_concept_id

    from immunizations

),

unioned as (

    select * from medications_renamed

    union all

    select * from immunizations_renamed

)

select * from unioned
