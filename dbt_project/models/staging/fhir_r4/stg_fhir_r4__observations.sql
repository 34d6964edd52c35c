with

facts as (

    select * from {{ ref('stg_fhir_r4__observation_facts') }}
    where not is_measurement

),

renamed as (

    select
        -- place
        delivery_id,
        source_table,
        file_no,
        line_no,
        part,

        -- record
        record_id,
        content_hash,
        source_version,
        person_id,
        delivered_visit_id,
        exclusion_rule,

        -- dates
        delivered_event_date,
        cast(null as date) as end_date,
        recorded_date,
        cast(null as date) as fallback_known_date,

        -- code
        vocabulary_id,
        source_value,
        cast(null as integer) as delivered_concept_id,
        cast(null as integer) as delivered_source_concept_id,
        {{ ehr_type_concept_id() }} as type_concept_id,

        -- of this kind
        value_as_number,
        value_as_string,
        value_vocabulary_id,
        value_code,
        cast(null as integer) as delivered_value_concept_id,
        cast(null as integer) as qualifier_concept_id,
        unit_code,
        cast(null as integer) as delivered_unit_concept_id,
        unit_code as unit_source_value,
        coalesce(value_code, value_as_bound) as value_source_value

    from facts

)

select * from renamed
