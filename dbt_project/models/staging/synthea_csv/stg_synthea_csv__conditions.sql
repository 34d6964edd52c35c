with

source as (

    select * from {{ source('synthea_csv', 'conditions') }}

),

renamed as (

    select
        -- place
        delivery_id,
        'conditions' as source_table,
        file_no,
        line_no,
        0 as part,

        -- record: these tables have no ids, so a record is what began when; its
        -- end may come later and is no part of it
        {{ key_hash([
            'patient_id', 'encounter_id', 'code', 'start_date',
        ]) }} as record_id,
        {{ content_hash() }} as content_hash,
        cast(null as varchar) as source_version,
        patient_id as person_id,
        encounter_id as delivered_visit_id,
        cast(null as varchar) as exclusion_rule,

        -- dates
        start_date as delivered_event_date,
        stop_date as end_date,
        cast(null as date) as recorded_date,
        cast(null as date) as fallback_known_date,

        -- code
        'SNOMED' as vocabulary_id,
        code as source_value,
        cast(null as integer) as delivered_concept_id,
        cast(null as integer) as delivered_source_concept_id,
        {{ ehr_type_concept_id() }} as type_concept_id,

        -- of this kind
        cast(null as integer) as condition_status_concept_id

    from source

)

select * from renamed
