with

source as (

    select * from {{ source('hospital_csv', 'lab_results') }}

),

renamed as (

    select
        -- place
        delivery_id,
        'lab_results' as source_table,
        file_no,
        line_no,
        0 as part,

        -- record
        result_no as record_id,
        {{ content_hash() }} as content_hash,
        cast(null as varchar) as source_version,
        patient_no as person_id,
        encounter_no as delivered_visit_id,
        cast(null as varchar) as exclusion_rule,

        -- dates: a result is known when it is reported
        specimen_date as delivered_event_date,
        cast(null as date) as end_date,
        cast(reported_datetime as date) as recorded_date,
        cast(null as date) as fallback_known_date,

        -- code
        'LOCAL_LAB' as vocabulary_id,
        lab_code as source_value,
        cast(null as integer) as delivered_concept_id,
        cast(null as integer) as delivered_source_concept_id,
        {{ ehr_type_concept_id() }} as type_concept_id,

        -- of this kind
        cast(null as integer) as operator_concept_id,
        value_number as value_as_number,
        'LOCAL_VALUE' as value_vocabulary_id,
        value_text as value_code,
        cast(null as integer) as delivered_value_concept_id,
        unit as unit_code,
        cast(null as integer) as delivered_unit_concept_id,
        cast(null as double) as range_low,
        cast(null as double) as range_high,
        unit as unit_source_value,
        value_text as value_source_value

    from source

)

select * from renamed
