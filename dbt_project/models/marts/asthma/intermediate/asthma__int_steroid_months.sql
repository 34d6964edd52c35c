-- Systemic steroids by the month in which they became known: courses and days of
-- oral ones (the dose is not in the CDM), injections, and maintenance.
with

steroids as (

    select * from {{ ref('asthma__int_systemic_steroids') }}

),

maintenance as (

    select * from {{ ref('asthma__int_maintenance_steroids') }}

),

steroid_months as (

    select
        steroids.person_id,
        {{ month_index('steroids.evidence_date') }} as month_index,
        count(case when steroids.route = 'oral' then 1 end) as oral_steroids,
        sum(case
            when steroids.route = 'oral' then steroids.duration_days else 0
        end) as oral_steroid_days,
        count(case when steroids.route = 'injection' then 1 end)
            as steroid_injections,
        count(maintenance.drug_exposure_id) as maintenance_steroids

    from steroids

    left join maintenance
        on steroids.drug_exposure_id = maintenance.drug_exposure_id

    where
        steroids.evidence_date <= {{ add_days('steroids.start_date', 365) }}

    group by
        steroids.person_id, {{ month_index('steroids.evidence_date') }}

)

select * from steroid_months
