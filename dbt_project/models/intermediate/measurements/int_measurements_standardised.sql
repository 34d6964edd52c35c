-- Stand-in until units are converted by rule tables: values as delivered.
{{ config(materialized='view') }}

with

measurements as (

    select * from {{ ref('int_measurements') }}

),

standardised as (

    select
        measurement_id,
        person_id,
        measurement_concept_id,
        value_as_number,
        unit_source_value as unit,
        event_date,
        known_date

    from measurements

    where value_as_number is not null

)

select * from standardised
