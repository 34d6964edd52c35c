-- Who is screened, and when: the day a gate is met, if the person was then seen
-- for 365 days or more, had a visit within the last 365, and is not known to be
-- dead. Nothing of it looks at suspicion, diagnosis or outcome.
with

gates_met as (

    select * from {{ ref('fabry__int_gates_met') }}

),

first_visits as (

    select * from {{ ref('core__int_first_visits') }}

),

visit_days as (

    select * from {{ ref('core__int_visit_days') }}

),

deaths as (

    select * from {{ ref('int_deaths') }}

),

observed as (

    select
        gates_met.person_id,
        gates_met.gate,
        gates_met.gate_date as index_date

    from gates_met

    inner join first_visits
        on gates_met.person_id = first_visits.person_id

    left join deaths
        on gates_met.person_id = deaths.person_id

    where
        first_visits.first_visit_date
        <= {{ add_days('gates_met.gate_date', -365) }}
        and (
            deaths.person_id is null
            or greatest(deaths.death_date, deaths.known_date)
            >= gates_met.gate_date
        )

),

visited as (

    select distinct
        observed.person_id,
        observed.gate

    from observed

    inner join visit_days
        on observed.person_id = visit_days.person_id

    where
        observed.gate != 'general'
        and visit_days.evidence_date < observed.index_date
        and visit_days.event_date >= {{ add_days('observed.index_date', -365) }}

),

indexes as (

    select
        observed.person_id,
        observed.gate,
        observed.index_date

    from observed

    left join visited
        on
            observed.person_id = visited.person_id
            and observed.gate = visited.gate

    where
        observed.gate = 'general'
        or visited.person_id is not null

)

select * from indexes
