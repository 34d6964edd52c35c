-- Emergency visits and hospital stays of persons with any asthma, for whatever
-- reason. A visit that began in the emergency room and became a stay is both.
with

visits as (

    select * from {{ ref('int_visit_occurrences') }}

),

concept_set_members as (

    select * from {{ ref('int_concept_set_members') }}

),

any_asthma as (

    select * from {{ ref('asthma__int_any_asthma') }}

),

acute_visit_concepts as (

    select
        concept_id,
        max(
            case when concept_set = 'emergency_visit' then 1 else 0 end
        ) as is_emergency,
        max(
            case when concept_set = 'inpatient_visit' then 1 else 0 end
        ) as is_hospital

    from concept_set_members

    where concept_set in ('emergency_visit', 'inpatient_visit')

    group by concept_id

),

acute_visits as (

    select
        visits.visit_occurrence_id,
        visits.person_id,
        visits.visit_start_date as start_date,
        coalesce(
            visits.visit_end_date, visits.visit_start_date
        ) as end_date,
        greatest(visits.event_date, visits.known_date) as evidence_date,
        greatest(visits.event_date, visits.details_known_date)
            as end_known_date,
        acute_visit_concepts.is_emergency = 1 as is_emergency,
        acute_visit_concepts.is_hospital = 1 as is_hospital

    from visits

    inner join acute_visit_concepts
        on visits.visit_concept_id = acute_visit_concepts.concept_id

    inner join any_asthma
        on visits.person_id = any_asthma.person_id

    where
        visits.visit_start_date is not null
        and visits.known_date is not null

)

select * from acute_visits
