-- Days on which a person's visits began, usable from the first of them that is
-- known.
with

visits as (

    select * from {{ ref('int_visit_occurrences') }}

),

visit_days as (

    select
        person_id,
        visit_start_date as event_date,
        min(greatest(visit_start_date, known_date)) as evidence_date

    from visits

    where
        visit_start_date is not null
        and known_date is not null

    group by person_id, visit_start_date

)

select * from visit_days
