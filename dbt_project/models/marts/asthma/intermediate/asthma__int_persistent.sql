-- Persistent asthma (HEDIS-like): two calendar years, one after the other, that
-- each count, in a person with any asthma.
with

persistent_years as (

    select * from {{ ref('asthma__int_persistent_years') }}

),

any_asthma as (

    select * from {{ ref('asthma__int_any_asthma') }}

),

with_next_year as (

    select
        person_id,
        event_year,
        met_date,
        lead(event_year) over (
            partition by person_id order by event_year
        ) as next_year,
        lead(met_date) over (
            partition by person_id order by event_year
        ) as next_met_date

    from persistent_years

),

year_pairs as (

    select
        person_id,
        min(greatest(met_date, next_met_date)) as met_date

    from with_next_year

    where next_year = event_year + 1

    group by person_id

),

persistent as (

    select
        year_pairs.person_id,
        greatest(
            year_pairs.met_date, any_asthma.any_asthma_date
        ) as persistent_date

    from year_pairs

    inner join any_asthma
        on year_pairs.person_id = any_asthma.person_id

)

select * from persistent
