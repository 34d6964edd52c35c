-- The months on whose first day a person is at risk of a next attack: any asthma
-- is known, the person was seen for 365 days or more, had a visit within the last
-- 365, is not known to be dead, and is in no attack nor in the 14 days after one,
-- as far as was known before that day.
with

months as (

    select * from {{ ref('asthma__int_months_before') }}

),

any_asthma as (

    select * from {{ ref('asthma__int_any_asthma') }}

),

first_visits as (

    select * from {{ ref('core__int_first_visits') }}

),

deaths as (

    select * from {{ ref('int_deaths') }}

),

indexes as (

    select
        months.*,
        any_asthma.any_asthma_date,
        {{ days_between('first_visits.first_visit_date', 'months.index_date') }}
            as prior_observation_days

    from months

    inner join any_asthma
        on months.person_id = any_asthma.person_id

    inner join first_visits
        on months.person_id = first_visits.person_id

    left join deaths
        on months.person_id = deaths.person_id

    where
        any_asthma.any_asthma_date < months.index_date
        and first_visits.first_visit_date
        <= {{ add_days('months.index_date', -365) }}
        and months.last_visit_date >= {{ add_days('months.index_date', -365) }}
        and (
            deaths.person_id is null
            or greatest(deaths.death_date, deaths.known_date)
            >= months.index_date
        )
        and (
            months.last_attack_end_date is null
            or {{ days_between(
                'months.last_attack_end_date', 'months.index_date'
            ) }} > 14
        )

)

select * from indexes
