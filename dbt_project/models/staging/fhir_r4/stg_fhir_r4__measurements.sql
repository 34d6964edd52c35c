with

facts as (

    select * from {{ ref('stg_fhir_r4__observation_facts') }}
    where is_measurement

),

-- The vocabulary knows operators as concepts that are named by their sign.
operators as (

    select
        concept_name as comparator,
        min(concept_id) as concept_id
    from {{ ref('stg_vocabulary__concepts') }}

    where
        domain_id = 'Meas Value Operator'
        and standard_concept = 'S'

    group by concept_name

),

renamed as (

    select
        -- place
        facts.delivery_id,
        facts.source_table,
        facts.file_no,
        facts.line_no,
        facts.part,

        -- record
        facts.record_id,
        facts.content_hash,
        facts.source_version,
        facts.person_id,
        facts.delivered_visit_id,
        facts.exclusion_rule,

        -- dates
        facts.delivered_event_date,
        cast(null as date) as end_date,
        facts.recorded_date,
        cast(null as date) as fallback_known_date,

        -- code
        facts.vocabulary_id,
        facts.source_value,
        cast(null as integer) as delivered_concept_id,
        cast(null as integer) as delivered_source_concept_id,
        {{ ehr_type_concept_id() }} as type_concept_id,

        -- of this kind
        case
            when facts.value_comparator is not null
                then coalesce(
                    operators.concept_id, {{ unmapped_concept_id() }}
                )
        end as operator_concept_id,
        facts.value_as_number,
        facts.value_vocabulary_id,
        facts.value_code,
        cast(null as integer) as delivered_value_concept_id,
        facts.unit_code,
        cast(null as integer) as delivered_unit_concept_id,
        cast(null as double) as range_low,
        cast(null as double) as range_high,
        facts.unit_code as unit_source_value,
        coalesce(facts.value_code, facts.value_as_string, facts.value_as_bound)
            as value_source_value

    from facts

    left join operators
        on facts.value_comparator = operators.comparator

)

select * from renamed
