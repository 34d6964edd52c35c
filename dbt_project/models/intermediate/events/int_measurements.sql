-- A projection of the mapped events that go to this table, so a view.
{{ config(materialized='view') }}

with

mapped as (

    select * from {{ ref('int_events_mapped') }}
    where
        omop_table = 'measurement'
        and fate = 'in_omop'

),

measurements as (

    select
        omop_id as measurement_id,
        person_id,
        concept_id as measurement_concept_id,
        event_date as measurement_date,
        cast(null as timestamp) as measurement_datetime,
        cast(null as {{ dbt.type_string() }}) as measurement_time,
        type_concept_id as measurement_type_concept_id,
        operator_concept_id,
        value_as_number,
        value_as_concept_id,
        unit_concept_id,
        range_low,
        range_high,
        cast(null as bigint) as provider_id,
        visit_occurrence_id,
        cast(null as bigint) as visit_detail_id,
        source_value as measurement_source_value,
        source_concept_id as measurement_source_concept_id,
        unit_source_value,
        cast(null as integer) as unit_source_concept_id,
        value_source_value,
        cast(null as bigint) as measurement_event_id,
        cast(null as integer) as meas_event_field_concept_id,
        event_date,
        known_date,
        details_known_date,
        delivery_id,
        source_table,
        file_no,
        line_no

    from mapped

)

select * from measurements
