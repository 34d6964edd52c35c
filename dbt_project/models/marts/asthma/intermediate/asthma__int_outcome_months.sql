-- Exacerbations, as they are known today, by the month in which they began.
with

exacerbations as (

    select * from {{ ref('asthma__exacerbations') }}

),

outcome_months as (

    select
        person_id,
        {{ month_index('episode_start_date') }} as month_index,
        count(*) as exacerbations,
        count(case
            when has_emergency_visit or has_hospital_stay then 1
        end) as acute_exacerbations

    from exacerbations

    where gap_days = 14

    group by person_id, {{ month_index('episode_start_date') }}

)

select * from outcome_months
