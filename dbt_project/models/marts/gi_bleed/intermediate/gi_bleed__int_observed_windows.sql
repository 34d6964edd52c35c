-- New users whose 365 days after the index are observed to the end: the
-- observation period that holds the index reaches the last of them, and the
-- person lives beyond it. Delivered periods can run on after death.
with

observation_periods as (

    select * from {{ ref('int_observation_periods') }}

),

deaths as (

    select * from {{ ref('int_deaths') }}

),

index_dates as (

    select * from {{ ref('gi_bleed__int_index') }}

),

observed_windows as (

    select distinct index_dates.person_id

    from index_dates

    inner join observation_periods
        on index_dates.person_id = observation_periods.person_id

    left join deaths
        on index_dates.person_id = deaths.person_id

    where
        observation_periods.observation_period_start_date
        <= index_dates.index_date
        and observation_periods.observation_period_end_date
        >= {{ add_days('index_dates.index_date', 365) }}
        and (
            deaths.death_date is null
            or deaths.death_date > {{ add_days('index_dates.index_date', 365) }}
        )

)

select * from observed_windows
