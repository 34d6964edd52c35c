-- Korean claims asthma: two diagnosis days and an asthma drug within 12 months,
-- that is, first and last of the three at most 365 days apart. Of three such
-- days the first or the last is a diagnosis, so it is enough to look back and
-- ahead from every diagnosis day.
with

diagnosis_days as (

    select * from {{ ref('asthma__int_diagnosis_days') }}

),

fills as (

    select * from {{ ref('asthma__int_drug_fills') }}

),

events as (

    select
        person_id,
        event_date,
        evidence_date as diagnosis_date,
        cast(null as date) as fill_date

    from diagnosis_days

    union all

    select
        person_id,
        event_date,
        cast(null as date) as diagnosis_date,
        evidence_date as fill_date

    from fills

),

numbered as (

    select
        person_id,
        diagnosis_date,
        fill_date,
        {{ days_between("date '1900-01-01'", 'event_date') }} as day_number

    from events

),

surroundings as (

    select
        person_id,
        diagnosis_date,
        min(diagnosis_date) over (
            partition by person_id
            order by day_number
            range between 365 preceding and 1 preceding
        ) as earlier_diagnosis_date,
        min(fill_date) over (
            partition by person_id
            order by day_number
            range between 365 preceding and current row
        ) as earlier_fill_date,
        min(diagnosis_date) over (
            partition by person_id
            order by day_number
            range between 1 following and 365 following
        ) as later_diagnosis_date,
        min(fill_date) over (
            partition by person_id
            order by day_number
            range between current row and 365 following
        ) as later_fill_date

    from numbered

),

complete as (

    select
        person_id,
        greatest(
            diagnosis_date, earlier_diagnosis_date, earlier_fill_date
        ) as met_date

    from surroundings

    where
        diagnosis_date is not null
        and earlier_diagnosis_date is not null
        and earlier_fill_date is not null

    union all

    select
        person_id,
        greatest(
            diagnosis_date, later_diagnosis_date, later_fill_date
        ) as met_date

    from surroundings

    where
        diagnosis_date is not null
        and later_diagnosis_date is not null
        and later_fill_date is not null

),

korean_claims as (

    select
        person_id,
        min(met_date) as korean_claims_date

    from complete

    group by person_id

)

select * from korean_claims
