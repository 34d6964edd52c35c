-- Two asthma diagnosis days at least 30 and at most 365 days apart.
with

diagnosis_days as (

    select * from {{ ref('asthma__int_diagnosis_days') }}

),

numbered as (

    select
        person_id,
        evidence_date,
        {{ days_between("date '1900-01-01'", 'event_date') }} as day_number

    from diagnosis_days

),

with_earlier_diagnosis as (

    select
        person_id,
        evidence_date,
        min(evidence_date) over (
            partition by person_id
            order by day_number
            range between 365 preceding and 30 preceding
        ) as earlier_evidence_date

    from numbered

),

first_pairs as (

    select
        person_id,
        min(greatest(evidence_date, earlier_evidence_date)) as pair_date

    from with_earlier_diagnosis

    where earlier_evidence_date is not null

    group by person_id

)

select * from first_pairs
