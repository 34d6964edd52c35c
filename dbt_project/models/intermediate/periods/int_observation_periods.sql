-- Delivered periods and derived ones; a source has the one or the other.
{{ config(materialized='view') }}

with

settled as (

    select * from {{ ref('int_observation_periods_settled') }}
    where fate = 'in_omop'

),

derived as (

    select * from {{ ref('int_observation_periods_derived') }}

),

unioned as (

    select
        observation_period_id,
        person_id,
        observation_period_start_date,
        observation_period_end_date,
        period_type_concept_id,
        delivery_id,
        source_table,
        file_no,
        line_no

    from settled

    union all

    select
        observation_period_id,
        person_id,
        observation_period_start_date,
        observation_period_end_date,
        period_type_concept_id,
        delivery_id,
        source_table,
        file_no,
        line_no

    from derived

)

select * from unioned
