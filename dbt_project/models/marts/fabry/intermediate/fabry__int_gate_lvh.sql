-- Gate: unexplained left ventricular hypertrophy, diagnosed or with a wall of 13
-- mm or more; explained if hypertension is known by then.
with

records as (

    select * from {{ ref('fabry__int_records') }}

),

measurements as (

    select * from {{ ref('int_measurements_standardised') }}

),

concept_set_members as (

    select * from {{ ref('int_concept_set_members') }}

),

hypertrophy as (

    select
        person_id,
        evidence_date

    from records

    where concept_set = 'left_ventricular_hypertrophy'

    union all

    select
        measurements.person_id,
        {{ evidence_date('measurements') }} as evidence_date

    from measurements

    inner join concept_set_members
        on measurements.measurement_concept_id = concept_set_members.concept_id

    where
        concept_set_members.concept_set = 'wall_thickness'
        and measurements.value_as_number >= 13
        and measurements.event_date is not null
        and measurements.known_date is not null

),

first_hypertrophy as (

    select
        person_id,
        min(evidence_date) as gate_date

    from hypertrophy

    group by person_id

),

first_hypertension as (

    select
        person_id,
        min(evidence_date) as hypertension_date

    from records

    where concept_set = 'hypertension'

    group by person_id

),

met as (

    select
        first_hypertrophy.person_id,
        first_hypertrophy.gate_date

    from first_hypertrophy

    left join first_hypertension
        on first_hypertrophy.person_id = first_hypertension.person_id

    where
        first_hypertension.hypertension_date is null
        or first_hypertension.hypertension_date > first_hypertrophy.gate_date

)

select * from met
