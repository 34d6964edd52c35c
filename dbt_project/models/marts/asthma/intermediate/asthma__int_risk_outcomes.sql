-- What became of a person in the 12 months from each index on. Null unless the
-- observation period that holds the index reaches their last day and the person
-- lives beyond it; a death that was seen is true all the same.
with

indexes as (

    select
        person_id,
        index_date,
        {{ month_start('month_index + 12') }} as window_end_date,
        exacerbations_next_12m,
        acute_exacerbations_next_12m

    from {{ ref('asthma__int_risk_index') }}

),

observation_periods as (

    select * from {{ ref('int_observation_periods') }}

),

deaths as (

    select * from {{ ref('int_deaths') }}

),

coverage as (

    select * from {{ ref('int_coverage') }}

),

observed as (

    select distinct
        indexes.person_id,
        indexes.index_date

    from indexes

    inner join observation_periods
        on indexes.person_id = observation_periods.person_id

    left join deaths
        on indexes.person_id = deaths.person_id

    where
        observation_periods.observation_period_start_date
        <= indexes.index_date
        and observation_periods.observation_period_end_date
        >= {{ add_days('indexes.window_end_date', -1) }}
        and (
            deaths.death_date is null
            or deaths.death_date >= indexes.window_end_date
        )

),

outcomes as (

    select
        indexes.person_id,
        indexes.index_date,
        case
            when observed.person_id is not null
                then indexes.exacerbations_next_12m
        end as exacerbations_12m,
        case
            when observed.person_id is not null
                then indexes.exacerbations_next_12m > 0
        end as has_exacerbation_12m,
        case
            when observed.person_id is not null
                then indexes.acute_exacerbations_next_12m > 0
        end as has_acute_exacerbation_12m,
        case
            when
                deaths.death_date >= indexes.index_date
                and deaths.death_date < indexes.window_end_date
                and deaths.death_date <= coverage.extracted_through
                then true
            when observed.person_id is not null then false
        end as has_died_12m

    from indexes

    left join observed
        on
            indexes.person_id = observed.person_id
            and indexes.index_date = observed.index_date

    left join deaths
        on indexes.person_id = deaths.person_id

    cross join coverage

)

select * from outcomes
