-- The visits of OMOP that another visit names as the one before it. Often none:
-- then int_visit_occurrences costs nothing.
with

settled as (

    select
        visit_occurrence_id,
        person_id,
        preceding_visit_occurrence_id
    from {{ ref('int_visits_settled') }}

    where fate = 'in_omop'

),

named as (

    select distinct preceding_visit_occurrence_id
    from settled

    where preceding_visit_occurrence_id is not null

),

preceding as (

    select
        settled.visit_occurrence_id,
        settled.person_id

    from settled

    inner join named
        on settled.visit_occurrence_id = named.preceding_visit_occurrence_id

)

select * from preceding
