-- The days on which persons with any asthma reach an age that our base cohort
-- asks about, 12 or 40, while they are observed and alive. Such a day meets a
-- criterion without a record of it.
with

any_asthma as (

    select * from {{ ref('asthma__int_any_asthma') }}

),

persons as (

    select * from {{ ref('int_persons') }}

),

observation_periods as (

    select * from {{ ref('int_observation_periods') }}

),

deaths as (

    select * from {{ ref('int_deaths') }}

),

ages as (

    select 12 as age_in_years

    union all

    select 40 as age_in_years

),

birthdays as (

    select
        any_asthma.person_id,
        ages.age_in_years,
        {{ first_day_of_age(
            'persons.year_of_birth',
            'persons.month_of_birth',
            'ages.age_in_years'
        ) }} as birthday

    from any_asthma

    inner join persons
        on any_asthma.person_id = persons.person_id

    cross join ages

),

observed_birthdays as (

    select distinct
        birthdays.person_id,
        birthdays.age_in_years,
        birthdays.birthday

    from birthdays

    inner join observation_periods
        on
            birthdays.person_id = observation_periods.person_id
            and birthdays.birthday
            >= observation_periods.observation_period_start_date
            and birthdays.birthday
            <= observation_periods.observation_period_end_date

    left join deaths
        on birthdays.person_id = deaths.person_id

    where
        deaths.death_date is null
        or deaths.death_date >= birthdays.birthday

)

select * from observed_birthdays
