-- The days on which a person has an asthma diagnosis. Several records of one
-- day are one day, usable from the first of them that is known.
with

conditions as (

    select * from {{ ref('int_condition_occurrences') }}

),

concept_set_members as (

    select * from {{ ref('int_concept_set_members') }}

),

diagnoses as (

    select
        conditions.person_id,
        conditions.event_date,
        greatest(
            conditions.event_date, conditions.known_date
        ) as evidence_date

    from conditions

    inner join concept_set_members
        on conditions.condition_concept_id = concept_set_members.concept_id

    where
        concept_set_members.concept_set = 'any_asthma'
        and conditions.event_date is not null
        and conditions.known_date is not null

),

diagnosis_days as (

    select
        person_id,
        event_date,
        min(evidence_date) as evidence_date

    from diagnoses

    group by person_id, event_date

)

select * from diagnosis_days
