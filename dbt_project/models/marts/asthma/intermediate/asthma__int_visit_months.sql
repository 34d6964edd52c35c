-- Visits by the month in which they became known.
with

visit_days as (

    select * from {{ ref('core__int_visit_days') }}

),

any_asthma as (

    select * from {{ ref('asthma__int_any_asthma') }}

),

visit_months as (

    select
        visit_days.person_id,
        {{ month_index('visit_days.evidence_date') }} as month_index,
        max(visit_days.event_date) as last_visit_date,
        count(*) as visits

    from visit_days

    inner join any_asthma
        on visit_days.person_id = any_asthma.person_id

    group by
        visit_days.person_id, {{ month_index('visit_days.evidence_date') }}

)

select * from visit_months
