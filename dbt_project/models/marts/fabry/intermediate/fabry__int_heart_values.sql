-- Wall thickness, left ventricular mass index, PR interval and NT-proBNP.
with

measurements as (

    select * from {{ ref('int_measurements_standardised') }}

),

concept_set_members as (

    select * from {{ ref('int_concept_set_members') }}

),

heart_values as (

    select
        measurements.person_id,
        concept_set_members.concept_set as kind,
        measurements.event_date,
        {{ evidence_date('measurements') }} as evidence_date,
        measurements.value_as_number

    from measurements

    inner join concept_set_members
        on measurements.measurement_concept_id = concept_set_members.concept_id

    where
        concept_set_members.concept_set in (
            'wall_thickness', 'lv_mass_index', 'pr_interval', 'nt_probnp'
        )
        and measurements.value_as_number > 0
        and measurements.event_date is not null
        and measurements.known_date is not null

)

select * from heart_values
