-- Diagnoses of chronic obstructive lung disease of persons with any asthma.
with

conditions as (

    select * from {{ ref('int_condition_occurrences') }}

),

concept_set_members as (

    select * from {{ ref('int_concept_set_members') }}

),

any_asthma as (

    select * from {{ ref('asthma__int_any_asthma') }}

),

copd_diagnoses as (

    select
        conditions.person_id,
        greatest(
            conditions.event_date, conditions.known_date
        ) as evidence_date

    from conditions

    inner join concept_set_members
        on conditions.condition_concept_id = concept_set_members.concept_id

    inner join any_asthma
        on conditions.person_id = any_asthma.person_id

    where
        concept_set_members.concept_set = 'copd'
        and conditions.event_date is not null
        and conditions.known_date is not null

)

select * from copd_diagnoses
