-- Eosinophil counts without a systemic steroid in the 28 days before, which
-- lowers them, as far as was known when the count was.
with

measurements as (

    select * from {{ ref('int_measurements_standardised') }}

),

concept_set_members as (

    select * from {{ ref('int_concept_set_members') }}

),

steroids as (

    select * from {{ ref('asthma__int_systemic_steroids') }}

),

any_asthma as (

    select * from {{ ref('asthma__int_any_asthma') }}

),

counts as (

    select
        measurements.person_id,
        measurements.event_date,
        {{ evidence_date('measurements') }} as evidence_date,
        measurements.value_as_number

    from measurements

    inner join concept_set_members
        on measurements.measurement_concept_id = concept_set_members.concept_id

    inner join any_asthma
        on measurements.person_id = any_asthma.person_id

    where
        concept_set_members.concept_set = 'eosinophils'
        and measurements.value_as_number >= 0
        and measurements.event_date is not null
        and measurements.known_date is not null

),

on_steroids as (

    select distinct
        counts.person_id,
        counts.event_date,
        counts.evidence_date

    from counts

    inner join steroids
        on
            counts.person_id = steroids.person_id
            and counts.evidence_date >= steroids.evidence_date
            and counts.event_date >= steroids.start_date
            and counts.event_date
            < {{ add_days(
                'steroids.start_date',
                'coalesce(steroids.duration_days, 1) + 28',
            ) }}

),

off_steroids as (

    select
        counts.person_id,
        counts.event_date,
        counts.evidence_date,
        counts.value_as_number

    from counts

    left join on_steroids
        on
            counts.person_id = on_steroids.person_id
            and counts.event_date = on_steroids.event_date
            and counts.evidence_date = on_steroids.evidence_date

    where on_steroids.person_id is null

)

select * from off_steroids
