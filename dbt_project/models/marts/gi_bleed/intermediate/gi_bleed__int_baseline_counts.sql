-- How much was recorded of a new user before the index, as it was known then:
-- since when, and how many conditions, drug exposures and visits in the 365
-- days before it. The day of the index itself is not counted.
with

visits as (

    select * from {{ ref('int_visit_occurrences') }}

),

conditions as (

    select * from {{ ref('int_condition_occurrences') }}

),

drug_exposures as (

    select * from {{ ref('int_drug_exposures') }}

),

procedures as (

    select * from {{ ref('int_procedure_occurrences') }}

),

measurements as (

    select * from {{ ref('int_measurements') }}

),

observations as (

    select * from {{ ref('int_observations') }}

),

index_dates as (

    select * from {{ ref('gi_bleed__int_index') }}

),

records as (

    select
        person_id,
        event_date,
        known_date,
        'visit' as kind

    from visits

    union all

    select
        person_id,
        event_date,
        known_date,
        'condition' as kind

    from conditions

    union all

    select
        person_id,
        event_date,
        known_date,
        'drug_exposure' as kind

    from drug_exposures

    union all

    select
        person_id,
        event_date,
        known_date,
        'procedure' as kind

    from procedures

    union all

    select
        person_id,
        event_date,
        known_date,
        'measurement' as kind

    from measurements

    union all

    select
        person_id,
        event_date,
        known_date,
        'observation' as kind

    from observations

),

known_by_index as (

    select
        index_dates.person_id,
        index_dates.index_date,
        records.event_date,
        records.kind,
        records.event_date >= {{ add_days('index_dates.index_date', -365) }}
            as is_in_last_year

    from index_dates

    inner join records
        on index_dates.person_id = records.person_id

    where
        records.known_date <= index_dates.index_date
        and records.event_date < index_dates.index_date

),

baseline_counts as (

    select
        person_id,
        {{ days_between('min(event_date)', 'min(index_date)') }}
            as prior_observation_days,
        count(case
            when kind = 'condition' and is_in_last_year then 1
        end) as conditions_365,
        count(case
            when kind = 'drug_exposure' and is_in_last_year then 1
        end) as drug_exposures_365,
        count(case
            when kind = 'visit' and is_in_last_year then 1
        end) as visits_365

    from known_by_index

    group by person_id

)

select * from baseline_counts
