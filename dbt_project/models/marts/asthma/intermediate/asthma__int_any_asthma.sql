-- Any asthma: at least one asthma condition.
with

diagnosis_days as (

    select * from {{ ref('asthma__int_diagnosis_days') }}

),

any_asthma as (

    select
        person_id,
        min(evidence_date) as any_asthma_date

    from diagnosis_days

    group by person_id

)

select * from any_asthma
