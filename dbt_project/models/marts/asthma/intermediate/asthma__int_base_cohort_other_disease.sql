-- Our base cohort excludes cystic fibrosis and eosinophilic granulomatosis with
-- polyangiitis, at any age. The seed has no concept for the latter as long as
-- none is verified; asthma__cohort says so in a column.
with

conditions as (

    select * from {{ ref('int_condition_occurrences') }}

),

concept_set_members as (

    select * from {{ ref('int_concept_set_members') }}

),

first_diagnoses as (

    select
        conditions.person_id,
        min(greatest(
            conditions.event_date, conditions.known_date
        )) as exclusion_date

    from conditions

    inner join concept_set_members
        on conditions.condition_concept_id = concept_set_members.concept_id

    where
        concept_set_members.concept_set in ('cystic_fibrosis', 'egpa')
        and conditions.event_date is not null
        and conditions.known_date is not null

    group by conditions.person_id

)

select * from first_diagnoses
