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

last_contacts as (

    select * from {{ ref('int_last_contacts') }}

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

),

with_last_contact as (

    select
        unioned.*,
        last_contacts.last_contact_date

    from unioned

    left join last_contacts
        on unioned.person_id = last_contacts.person_id

)

select * from with_last_contact
