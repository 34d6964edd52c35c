-- Devices and supplies: one row each.
with

devices as (

    select * from {{ source('synthea_csv', 'devices') }}

),

supplies as (

    select * from {{ source('synthea_csv', 'supplies') }}

),

devices_renamed as (

    select
        -- place
        delivery_id,
        'devices' as source_table,
        file_no,
        line_no,
        0 as part,

        -- record: these tables have no ids, so a record is what began when
        {{ key_hash([
            'patient_id', 'encounter_id', 'code', 'start_at',
        ]) }} as record_id,
        {{ content_hash('devices') }} as content_hash,
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
        'SNOMED' as vocabulary_id,
        code as source_value,
        cast(null as integer) as delivered_concept_id,
        cast(null as integer) as delivered_source_concept_id,
        {{ ehr_type_concept_id() }} as type_concept_id,

        -- of this kind
        cast(null as integer) as quantity,
        cast(null as varchar) as unit_code,
        cast(null as integer) as delivered_unit_concept_id,
        cast(null as varchar) as unit_source_value

    from devices

),

supplies_renamed as (

    select
        -- place
        delivery_id,
        'supplies' as source_table,
        file_no,
        line_no,
        0 as part,

        -- record: these tables have no ids, so a record is what began when
        {{ key_hash([
            'patient_id', 'encounter_id', 'code', 'supplied_on',
        ]) }} as record_id,
        {{ content_hash('supplies') }} as content_hash,
        cast(null as varchar) as source_version,
        patient_id as person_id,
        encounter_id as delivered_visit_id,
        cast(null as varchar) as exclusion_rule,

        -- dates
        supplied_on as delivered_event_date,
        cast(null as date) as end_date,
        supplied_on as recorded_date,
        cast(null as date) as fallback_known_date,

        -- code
        'SNOMED' as vocabulary_id,
        code as source_value,
        cast(null as integer) as delivered_concept_id,
        cast(null as integer) as delivered_source_concept_id,
        {{ ehr_type_concept_id() }} as type_concept_id,

        -- of this kind
        quantity,
        cast(null as varchar) as unit_code,
        cast(null as integer) as delivered_unit_concept_id,
        cast(null as varchar) as unit_source_value

    from supplies

),

unioned as (

    select * from devices_renamed

    union all

    select * from supplies_renamed

)

select * from unioned
