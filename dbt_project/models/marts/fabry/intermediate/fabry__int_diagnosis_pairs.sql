-- Two days with a diagnosis of Fabry disease or E75.2, 30 days or more apart.
with

records as (

    select * from {{ ref('fabry__int_records') }}

),

numbered as (

    select
        person_id,
        evidence_date,
        {{ days_between("date '1900-01-01'", 'event_date') }} as day_number

    from records

    where concept_set = 'fabry_disease'

),

with_earlier_diagnosis as (

    select
        person_id,
        evidence_date,
        min(evidence_date) over (
            partition by person_id
            order by day_number
            range between unbounded preceding and 30 preceding
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
