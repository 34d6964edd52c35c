-- New users who died after the index day and at most 365 days after it. A
-- death after the day to which deliveries are complete is not observed.
with

deaths as (

    select * from {{ ref('int_deaths') }}

),

coverage as (

    select * from {{ ref('int_coverage') }}

),

index_dates as (

    select * from {{ ref('gi_bleed__int_index') }}

),

deaths_after_index as (

    select distinct index_dates.person_id

    from index_dates

    inner join deaths
        on index_dates.person_id = deaths.person_id

    cross join coverage

    where
        deaths.death_date > index_dates.index_date
        and deaths.death_date <= {{ add_days('index_dates.index_date', 365) }}
        and deaths.death_date <= coverage.extracted_through

)

select * from deaths_after_index
