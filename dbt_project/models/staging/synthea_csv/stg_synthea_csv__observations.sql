with

source as (

    select * from {{ source('synthea_csv', 'observations') }}
    where coalesce(category, '') in ('survey', 'social-history')

),

renamed as (

    select
        -- place
        delivery_id,
        'observations' as source_table,
        file_no,
        line_no,
        0 as part,

        -- record: these tables have no ids, so a record is what it says
        {{ key_hash([
            'patient_id', 'encounter_id', 'category', 'code',
            'observed_at', 'value_number', 'value_text', 'unit',
            'value_type',
        ]) }} as record_id,
        {{ content_hash() }} as content_hash,
        cast(null as varchar) as source_version,
        patient_id as person_id,
        encounter_id as delivered_visit_id,
        cast(null as varchar) as exclusion_rule,

        -- dates
        cast(observed_at as date) as delivered_event_date,
        cast(null as date) as end_date,
        cast(observed_at as date) as recorded_date,
        cast(null as date) as fallback_known_date,

        -- code
        'LOINC' as vocabulary_id,
        code as source_value,
        cast(null as integer) as delivered_concept_id,
        cast(null as integer) as delivered_source_concept_id,
        {{ ehr_type_concept_id() }} as type_concept_id,

        -- of this kind
        value_number as value_as_number,
        value_text as value_as_string,
        cast(null as varchar) as value_vocabulary_id,
        cast(null as varchar) as value_code,
        cast(null as integer) as delivered_value_concept_id,
        cast(null as integer) as qualifier_concept_id,
        unit as unit_code,
        cast(null as integer) as delivered_unit_concept_id,
        unit as unit_source_value,
        value_text as value_source_value

    from source

)

select * from renamed
