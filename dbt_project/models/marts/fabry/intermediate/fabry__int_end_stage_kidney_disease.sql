-- The first day of end-stage kidney disease: its diagnosis, dialysis or a kidney
-- transplant. Acute dialysis cannot be told apart and counts.
with

records as (

    select * from {{ ref('fabry__int_records') }}

),

first_days as (

    select
        person_id,
        min(event_date) as eskd_date,
        min(evidence_date) as eskd_known_date

    from records

    where concept_set = 'end_stage_kidney_disease'

    group by person_id

)

select * from first_days
