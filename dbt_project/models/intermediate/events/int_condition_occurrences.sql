-- A projection of the mapped events that go to this table, so a view.
{{ config(materialized='view') }}

with

mapped as (

    select * from {{ ref('int_events_mapped') }}
    where
        omop_table = 'condition_occurrence'
        and fate = 'in_omop'

),

condition_occurrences as (

    select
        omop_id as condition_occurrence_id,
        person_id,
        concept_id as condition_concept_id,
        event_date as condition_start_date,
        cast(null as timestamp) as condition_start_datetime,
        end_date as condition_end_date,
        cast(null as timestamp) as condition_end_datetime,
        type_concept_id as condition_type_concept_id,
        condition_status_concept_id,
        cast(null as {{ dbt.type_string() }}) as stop_reason,
        cast(null as bigint) as provider_id,
        visit_occurrence_id,
        cast(null as bigint) as visit_detail_id,
        source_value as condition_source_value,
        source_concept_id as condition_source_concept_id,
        cast(null as {{ dbt.type_string() }})
            as condition_status_source_value,
        event_date,
        known_date,
        details_known_date,
        delivery_id,
        source_table,
        file_no,
        line_no

    from mapped

)

select * from condition_occurrences
