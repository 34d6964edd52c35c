-- The general population: each 1 January before which a person had a visit within
-- 365 days, as known by then.
with

visit_days as (

    select * from {{ ref('core__int_visit_days') }}

),

following as (

    select
        person_id,
        event_date,
        evidence_date,
        {{ next_first_of_january('event_date') }} as gate_date

    from visit_days

),

met as (

    select distinct
        person_id,
        gate_date

    from following

    where
        evidence_date < gate_date
        and event_date >= {{ add_days('gate_date', -365) }}

)

select * from met
