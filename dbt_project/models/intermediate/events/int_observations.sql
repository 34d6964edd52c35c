-- A projection of the mapped events that go to this table, so a view.
{{ config(materialized='view') }}

with

mapped as (

    select * from {{ ref('int_events_mapped') }}
    where
        omop_table = 'observation'
        and fate = 'in_omop'

),

observations as (

    select
        omop_id as observation_id,
        person_id,
        concept_id as observation_concept_id,
        event_date as observation_date,
        cast(null as timestamp) as observation_datetime,
        type_concept_id as observation_type_concept_id,
        value_as_number,
        value_as_string,
        value_as_concept_id,
        qualifier_concept_id,
        unit_concept_id,
        cast(null as bigint) as provider_id,
        visit_occurrence_id,
        cast(null as bigint) as visit_detail_id,
        source_value as observation_source_value,
        source_concept_id as observation_source_concept_id,
        unit_source_value,
        cast(null as {{ dbt.type_string() }}) as qualifier_source_value,
        value_source_value,
        cast(null as bigint) as observation_event_id,
        cast(null as integer) as obs_event_field_concept_id,
        event_date,
        known_date,
        details_known_date,
        delivery_id,
        source_table,
        file_no,
        line_no

    from mapped

)

select * from observations
