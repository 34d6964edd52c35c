-- A projection of the mapped events that go to this table, so a view.
{{ config(materialized='view') }}

with

mapped as (

    select * from {{ ref('int_events_mapped') }}
    where
        omop_table = 'procedure_occurrence'
        and fate = 'in_omop'

),

procedure_occurrences as (

    select
        omop_id as procedure_occurrence_id,
        person_id,
        concept_id as procedure_concept_id,
        event_date as procedure_date,
        cast(null as timestamp) as procedure_datetime,
        end_date as procedure_end_date,
        cast(null as timestamp) as procedure_end_datetime,
        type_concept_id as procedure_type_concept_id,
        modifier_concept_id,
        cast(quantity as integer) as quantity,
        cast(null as bigint) as provider_id,
        visit_occurrence_id,
        cast(null as bigint) as visit_detail_id,
        source_value as procedure_source_value,
        source_concept_id as procedure_source_concept_id,
        cast(null as {{ dbt.type_string() }}) as modifier_source_value,
        event_date,
        known_date,
        details_known_date,
        delivery_id,
        source_table,
        file_no,
        line_no

    from mapped

)

select * from procedure_occurrences
