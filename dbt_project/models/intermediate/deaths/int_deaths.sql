-- A projection of what was settled, so a view.
{{ config(materialized='view') }}

with

settled as (

    select * from {{ ref('int_deaths_settled') }}
    where fate = 'in_omop'

),

deaths as (

    select
        person_id,
        death_date,
        cast(null as timestamp) as death_datetime,
        death_type_concept_id,
        cause_concept_id,
        cast(null as {{ dbt.type_string() }}) as cause_source_value,
        cause_source_concept_id,
        event_date,
        known_date,
        delivery_id,
        source_table,
        file_no,
        line_no

    from settled

)

select * from deaths
