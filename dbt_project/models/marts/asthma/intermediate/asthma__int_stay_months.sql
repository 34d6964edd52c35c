-- Days in hospital, and how many of them an inhaled steroid covered: adherence is
-- not measured on days when the ward gives the drugs. A stay counts in the month
-- in which it is over and known; one that becomes known more than a month after
-- its end does not count.
with

acute_visits as (

    select * from {{ ref('asthma__int_emergency_and_hospital_visits') }}

),

supply as (

    select * from {{ ref('asthma__int_supply_as_known') }}

),

stays as (

    select
        person_id,
        start_date,
        max(end_date) as end_date,
        max(greatest(end_date, evidence_date, end_known_date)) as counted_date

    from acute_visits

    where is_hospital and end_date > start_date

    group by person_id, start_date

),

counted_stays as (

    select * from stays

    where counted_date <= {{ add_days('end_date', 31) }}

),

covered as (

    select
        counted_stays.person_id,
        counted_stays.start_date,
        sum({{ days_between(
            'greatest(supply.first_day, counted_stays.start_date)',
            'least(supply.last_day, counted_stays.end_date)',
        ) }} + 1) as covered_days

    from counted_stays

    inner join supply
        on
            counted_stays.person_id = supply.person_id
            and counted_stays.end_date >= supply.first_day
            and counted_stays.start_date <= supply.last_day

    where supply.treatment = 'asthma_ics'

    group by counted_stays.person_id, counted_stays.start_date

),

stay_months as (

    select
        counted_stays.person_id,
        {{ month_index('counted_stays.counted_date') }} as month_index,
        sum({{ days_between(
            'counted_stays.start_date', 'counted_stays.end_date'
        ) }} + 1) as stay_days,
        sum(coalesce(covered.covered_days, 0)) as covered_stay_days

    from counted_stays

    left join covered
        on
            counted_stays.person_id = covered.person_id
            and counted_stays.start_date = covered.start_date

    group by
        counted_stays.person_id, {{ month_index('counted_stays.counted_date') }}

)

select * from stay_months
