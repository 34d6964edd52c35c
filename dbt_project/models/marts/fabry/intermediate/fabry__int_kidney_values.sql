-- Creatinine, protein/creatinine and albumin/creatinine of a day: the mean of
-- several. A value that is not above 0 is none.
with

measurements as (

    select * from {{ ref('int_measurements_standardised') }}

),

concept_set_members as (

    select * from {{ ref('int_concept_set_members') }}

),

kidney_values as (

    select
        measurements.person_id,
        measurements.event_date,
        measurements.value_as_number,
        concept_set_members.concept_set,
        {{ evidence_date('measurements') }} as evidence_date

    from measurements

    inner join concept_set_members
        on measurements.measurement_concept_id = concept_set_members.concept_id

    where
        concept_set_members.concept_set in (
            'creatinine',
            'urine_protein_creatinine',
            'urine_albumin_creatinine'
        )
        and measurements.value_as_number > 0
        and measurements.event_date is not null
        and measurements.known_date is not null

),

days as (

    select
        person_id,
        event_date,
        max(evidence_date) as known_date,
        avg(case
            when concept_set = 'creatinine' then value_as_number
        end) as creatinine,
        avg(case
            when concept_set = 'urine_protein_creatinine' then value_as_number
        end) as upcr,
        avg(case
            when concept_set = 'urine_albumin_creatinine' then value_as_number
        end) as uacr

    from kidney_values

    group by person_id, event_date

)

select * from days
