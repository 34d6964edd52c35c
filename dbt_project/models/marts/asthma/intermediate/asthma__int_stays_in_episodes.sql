-- Days in hospital of the first 365 of a treatment episode, and how many of them
-- the treatment covered: neither counts for adherence.
with

episodes as (

    select * from {{ ref('asthma__int_supply_episodes') }}

),

supply as (

    select * from {{ ref('asthma__int_supply_by_day') }}

),

acute_visits as (

    select * from {{ ref('asthma__int_emergency_and_hospital_visits') }}

),

stays as (

    select
        episodes.person_id,
        episodes.treatment,
        episodes.episode_start_date,
        greatest(acute_visits.start_date, episodes.episode_start_date)
            as start_date,
        max(least(
            acute_visits.end_date,
            {{ add_days('episodes.episode_start_date', 364) }}
        )) as end_date

    from episodes

    inner join acute_visits
        on
            episodes.person_id = acute_visits.person_id
            and episodes.episode_start_date <= acute_visits.end_date
            and {{ add_days('episodes.episode_start_date', 364) }}
            >= acute_visits.start_date

    where
        acute_visits.is_hospital
        and acute_visits.end_date > acute_visits.start_date

    group by
        episodes.person_id,
        episodes.treatment,
        episodes.episode_start_date,
        greatest(acute_visits.start_date, episodes.episode_start_date)

),

covered as (

    select
        stays.person_id,
        stays.treatment,
        stays.episode_start_date,
        stays.start_date,
        sum({{ days_between(
            'greatest(supply.first_day, stays.start_date)',
            'least(supply.last_day, stays.end_date)',
        ) }} + 1) as covered_days

    from stays

    inner join supply
        on
            stays.person_id = supply.person_id
            and stays.treatment = supply.treatment
            and stays.end_date >= supply.first_day
            and stays.start_date <= supply.last_day

    group by
        stays.person_id,
        stays.treatment,
        stays.episode_start_date,
        stays.start_date

),

counted as (

    select
        stays.person_id,
        stays.treatment,
        stays.episode_start_date,
        sum({{ days_between('stays.start_date', 'stays.end_date') }} + 1)
            as stay_days,
        sum(coalesce(covered.covered_days, 0)) as covered_stay_days

    from stays

    left join covered
        on
            stays.person_id = covered.person_id
            and stays.treatment = covered.treatment
            and stays.episode_start_date = covered.episode_start_date
            and stays.start_date = covered.start_date

    group by stays.person_id, stays.treatment, stays.episode_start_date

)

select * from counted
