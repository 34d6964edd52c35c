-- Emergency visits and hospital stays for asthma: an asthma condition is
-- recorded in the visit, or dated between its first and its last day. Such a
-- visit is known when it and the first such condition are known, and where only
-- its end or the named visit ties them together, when that is known.
with

acute_visits as (

    select * from {{ ref('asthma__int_emergency_and_hospital_visits') }}

),

conditions as (

    select * from {{ ref('int_condition_occurrences') }}

),

concept_set_members as (

    select * from {{ ref('int_concept_set_members') }}

),

diagnosis_days as (

    select * from {{ ref('asthma__int_diagnosis_days') }}

),

diagnoses_in_visits as (

    select
        conditions.visit_occurrence_id,
        greatest(
            conditions.event_date,
            conditions.known_date,
            conditions.details_known_date
        ) as evidence_date

    from conditions

    inner join concept_set_members
        on conditions.condition_concept_id = concept_set_members.concept_id

    where
        concept_set_members.concept_set = 'any_asthma'
        and conditions.event_date is not null
        and conditions.known_date is not null

),

diagnoses_of_visits as (

    select
        acute_visits.visit_occurrence_id,
        diagnoses_in_visits.evidence_date

    from acute_visits

    inner join diagnoses_in_visits
        on
            acute_visits.visit_occurrence_id
            = diagnoses_in_visits.visit_occurrence_id

    union all

    select
        acute_visits.visit_occurrence_id,
        case
            when diagnosis_days.event_date > acute_visits.start_date
                then greatest(
                    diagnosis_days.evidence_date,
                    acute_visits.end_known_date
                )
            else diagnosis_days.evidence_date
        end as evidence_date

    from acute_visits

    inner join diagnosis_days
        on
            acute_visits.person_id = diagnosis_days.person_id
            and acute_visits.start_date <= diagnosis_days.event_date
            and acute_visits.end_date >= diagnosis_days.event_date

),

first_diagnoses as (

    select
        visit_occurrence_id,
        min(evidence_date) as diagnosis_date

    from diagnoses_of_visits

    group by visit_occurrence_id

),

asthma_visits as (

    select
        acute_visits.visit_occurrence_id,
        acute_visits.person_id,
        acute_visits.start_date,
        acute_visits.end_date,
        acute_visits.is_emergency,
        acute_visits.is_hospital,
        greatest(
            acute_visits.evidence_date, first_diagnoses.diagnosis_date
        ) as evidence_date

    from acute_visits

    inner join first_diagnoses
        on
            acute_visits.visit_occurrence_id
            = first_diagnoses.visit_occurrence_id

)

select * from asthma_visits
