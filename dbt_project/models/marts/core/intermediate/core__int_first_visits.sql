-- Since when a person is observed, for the question whether a year of observation
-- precedes an index: the first day on which a visit is known. The start of an
-- observation period is no such day, since an older record that becomes known
-- later moves it.
with

visit_days as (

    select * from {{ ref('core__int_visit_days') }}

),

first_visits as (

    select
        person_id,
        min(evidence_date) as first_visit_date

    from visit_days

    group by person_id

)

select * from first_visits
