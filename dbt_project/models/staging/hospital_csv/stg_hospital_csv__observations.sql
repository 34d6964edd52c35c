-- This format has no table of observations: a result or a procedure whose concept
-- is one goes to observation by the domain of that concept.
with

nothing as (

    select
        cast(null as varchar) as delivery_id,
        cast(null as varchar) as source_table,
        cast(null as integer) as file_no,
        cast(null as bigint) as line_no,
        cast(null as integer) as part,
        cast(null as bigint) as record_id,
        cast(null as varchar) as content_hash,
        cast(null as varchar) as source_version,
        cast(null as bigint) as person_id,
        cast(null as bigint) as delivered_visit_id,
        cast(null as varchar) as exclusion_rule,
        cast(null as date) as delivered_event_date,
        cast(null as date) as end_date,
        cast(null as date) as recorded_date,
        cast(null as date) as fallback_known_date,
        cast(null as varchar) as vocabulary_id,
        cast(null as varchar) as source_value,
        cast(null as integer) as delivered_concept_id,
        cast(null as integer) as delivered_source_concept_id,
        {{ ehr_type_concept_id() }} as type_concept_id,
        cast(null as double) as value_as_number,
        cast(null as varchar) as value_as_string,
        cast(null as varchar) as value_vocabulary_id,
        cast(null as varchar) as value_code,
        cast(null as integer) as delivered_value_concept_id,
        cast(null as integer) as qualifier_concept_id,
        cast(null as varchar) as unit_code,
        cast(null as integer) as delivered_unit_concept_id,
        cast(null as varchar) as unit_source_value,
        cast(null as varchar) as value_source_value

    where false

)

select * from nothing
