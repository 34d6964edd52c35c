-- Calendar years that count towards persistent asthma, and the day each was
-- seen to count: an emergency visit or hospital stay for asthma, or four
-- diagnosis days and two fills, or four fills. Diagnosis days of every setting
-- are counted: one in an emergency or hospital visit makes the year by itself.
with

acute_visits as (

    select * from {{ ref('asthma__int_acute_visits') }}

),

diagnosis_days as (

    select * from {{ ref('asthma__int_diagnosis_days') }}

),

fills as (

    select * from {{ ref('asthma__int_drug_fills') }}

),

evidence as (

    select
        person_id,
        start_date as event_date,
        evidence_date,
        'acute_visit' as kind

    from acute_visits

    union all

    select
        person_id,
        event_date,
        evidence_date,
        'diagnosis' as kind

    from diagnosis_days

    union all

    select
        person_id,
        event_date,
        evidence_date,
        'fill' as kind

    from fills

),

counted as (

    select
        person_id,
        evidence_date,
        kind,
        extract(year from event_date) as event_year,
        row_number() over (
            partition by person_id, kind, extract(year from event_date)
            order by evidence_date
        ) as evidence_count

    from evidence

),

person_years as (

    select
        person_id,
        event_year,
        min(case
            when kind = 'acute_visit' then evidence_date
        end) as acute_visit_date,
        min(case
            when kind = 'diagnosis' and evidence_count = 4 then evidence_date
        end) as fourth_diagnosis_date,
        min(case
            when kind = 'fill' and evidence_count = 2 then evidence_date
        end) as second_fill_date,
        min(case
            when kind = 'fill' and evidence_count = 4 then evidence_date
        end) as fourth_fill_date

    from counted

    group by person_id, event_year

),

alternatives as (

    select
        person_id,
        event_year,
        acute_visit_date as met_date

    from person_years

    where acute_visit_date is not null

    union all

    select
        person_id,
        event_year,
        greatest(fourth_diagnosis_date, second_fill_date) as met_date

    from person_years

    where
        fourth_diagnosis_date is not null
        and second_fill_date is not null

    union all

    select
        person_id,
        event_year,
        fourth_fill_date as met_date

    from person_years

    where fourth_fill_date is not null

),

persistent_years as (

    select
        person_id,
        event_year,
        min(met_date) as met_date

    from alternatives

    group by person_id, event_year

)

select * from persistent_years
