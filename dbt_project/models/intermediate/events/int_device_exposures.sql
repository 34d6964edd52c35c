-- A projection of the mapped events that go to this table, so a view.
{{ config(materialized='view') }}

with

mapped as (

    select * from {{ ref('int_events_mapped') }}
    where
        omop_table = 'device_exposure'
        and fate = 'in_omop'

),

device_exposures as (

    select
        omop_id as device_exposure_id,
        person_id,
        concept_id as device_concept_id,
        event_date as device_exposure_start_date,
        cast(null as timestamp) as device_exposure_start_datetime,
        end_date as device_exposure_end_date,
        cast(null as timestamp) as device_exposure_end_datetime,
        type_concept_id as device_type_concept_id,
        cast(null as {{ dbt.type_string() }}) as unique_device_id,
        cast(null as {{ dbt.type_string() }}) as production_id,
        cast(quantity as integer) as quantity,
        cast(null as bigint) as provider_id,
        visit_occurrence_id,
        cast(null as bigint) as visit_detail_id,
        source_value as device_source_value,
        source_concept_id as device_source_concept_id,
        unit_concept_id,
        unit_source_value,
        cast(null as integer) as unit_source_concept_id,
        event_date,
        known_date,
        details_known_date,
        delivery_id,
        source_table,
        file_no,
        line_no

    from mapped

)

select * from device_exposures
