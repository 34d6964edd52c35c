-- First arm of OHDSI PhenotypeLibrary 334: a condition or observation of its
-- asthma concepts.
with

conditions as (

    select * from {{ ref('int_condition_occurrences') }}

),

observations as (

    select * from {{ ref('int_observations') }}

),

concept_set_members as (

    select * from {{ ref('int_concept_set_members') }}

),

asthma_records as (

    select
        person_id,
        condition_concept_id as concept_id,
        event_date,
        known_date

    from conditions

    union all

    select
        person_id,
        observation_concept_id as concept_id,
        event_date,
        known_date

    from observations

),

first_records as (

    select
        asthma_records.person_id,
        min(greatest(
            asthma_records.event_date, asthma_records.known_date
        )) as diagnosis_date

    from asthma_records

    inner join concept_set_members
        on asthma_records.concept_id = concept_set_members.concept_id

    where
        concept_set_members.concept_set = 'pl_334_asthma'
        and asthma_records.event_date is not null
        and asthma_records.known_date is not null

    group by asthma_records.person_id

)

select * from first_records
