-- A projection of the mapped events that go to this table, so a view.
{{ config(materialized='view') }}

with

mapped as (

    select * from {{ ref('int_events_mapped') }}
    where
        omop_table = 'specimen'
        and fate = 'in_omop'

),

specimens as (

    select
        omop_id as specimen_id,
        person_id,
        concept_id as specimen_concept_id,
        type_concept_id as specimen_type_concept_id,
        event_date as specimen_date,
        cast(null as timestamp) as specimen_datetime,
        quantity,
        unit_concept_id,
        anatomic_site_concept_id,
        disease_status_concept_id,
        cast(null as {{ dbt.type_string() }}) as specimen_source_id,
        source_value as specimen_source_value,
        unit_source_value,
        cast(null as {{ dbt.type_string() }}) as anatomic_site_source_value,
        cast(null as {{ dbt.type_string() }}) as disease_status_source_value,
        event_date,
        known_date,
        details_known_date,
        delivery_id,
        source_table,
        file_no,
        line_no

    from mapped

)

select * from specimens
