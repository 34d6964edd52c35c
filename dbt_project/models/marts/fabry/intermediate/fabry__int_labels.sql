-- What became of a screened person within five years of the index: definite Fabry
-- disease after day 180, and death. Null unless the observation period that holds
-- the index reaches the last day and the person lives beyond it; a death that was
-- seen is true all the same. Probable disease is no label: it is made of the
-- predictors.
with

indexes as (

    select distinct
        person_id,
        index_date

    from {{ ref('fabry__int_index') }}

),

cohort as (

    select * from {{ ref('fabry__cohort') }}

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
        >= {{ add_days('indexes.index_date', 1825) }}
        and (
            deaths.death_date is null
            or deaths.death_date > {{ add_days('indexes.index_date', 1825) }}
        )

),

labels as (

    select
        indexes.person_id,
        indexes.index_date,
        case
            when observed.person_id is not null
                then coalesce(
                    cohort.definite_date
                    > {{ add_days('indexes.index_date', 180) }}
                    and cohort.definite_date
                    <= {{ add_days('indexes.index_date', 1825) }},
                    false
                )
        end as has_fabry_5y,
        case
            when
                deaths.death_date > indexes.index_date
                and deaths.death_date
                <= {{ add_days('indexes.index_date', 1825) }}
                and deaths.death_date <= coverage.extracted_through
                then true
            when observed.person_id is not null then false
        end as has_died_5y

    from indexes

    left join observed
        on
            indexes.person_id = observed.person_id
            and indexes.index_date = observed.index_date

    left join cohort
        on indexes.person_id = cohort.person_id

    left join deaths
        on indexes.person_id = deaths.person_id

    cross join coverage

)

select * from labels
