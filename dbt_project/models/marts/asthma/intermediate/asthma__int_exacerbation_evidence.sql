-- What an exacerbation is seen by: an oral steroid for three days or more that
-- is not maintenance, one steroid injection, an emergency visit or a hospital
-- stay for asthma. A steroid counts in asthma only: a diagnosis dated on its
-- first day or before is known by the day that the steroid is. A visit for
-- asthma has its own diagnosis, whichever day of the visit that is dated.
-- Steroids that cannot be judged, for want of a duration or a route, are kept
-- and make no exacerbation.
with

systemic_steroids as (

    select * from {{ ref('asthma__int_systemic_steroids') }}

),

maintenance_steroids as (

    select * from {{ ref('asthma__int_maintenance_steroids') }}

),

acute_visits as (

    select * from {{ ref('asthma__int_acute_visits') }}

),

diagnosis_days as (

    select * from {{ ref('asthma__int_diagnosis_days') }}

),

steroids as (

    select * from systemic_steroids

    where exists (
        select 1
        from diagnosis_days
        where
            diagnosis_days.person_id = systemic_steroids.person_id
            and diagnosis_days.event_date <= systemic_steroids.start_date
            and diagnosis_days.evidence_date
            <= systemic_steroids.evidence_date
    )

),

oral_steroids as (

    select
        steroids.person_id,
        'oral_steroid' as kind,
        steroids.start_date,
        {{ add_days('steroids.start_date', 'steroids.duration_days - 1') }}
            as end_date,
        steroids.evidence_date

    from steroids

    left join maintenance_steroids
        on steroids.drug_exposure_id = maintenance_steroids.drug_exposure_id

    where
        steroids.route = 'oral'
        and steroids.duration_days >= 3
        and maintenance_steroids.drug_exposure_id is null

),

injections as (

    select
        person_id,
        'injection' as kind,
        start_date,
        start_date as end_date,
        evidence_date

    from steroids

    where route = 'injection'

),

emergency_visits as (

    select
        person_id,
        'emergency_visit' as kind,
        start_date,
        end_date,
        evidence_date

    from acute_visits

    where is_emergency

),

hospital_stays as (

    select
        person_id,
        'hospital_stay' as kind,
        start_date,
        end_date,
        evidence_date

    from acute_visits

    where is_hospital

),

unjudged_steroids as (

    select
        person_id,
        case
            when route is null then 'steroid_of_unknown_route'
            else 'steroid_of_unknown_duration'
        end as kind,
        start_date,
        start_date as end_date,
        evidence_date

    from steroids

    where route is null or (route = 'oral' and duration_days is null)

),

all_evidence as (

    select * from oral_steroids

    union all

    select * from injections

    union all

    select * from emergency_visits

    union all

    select * from hospital_stays

    union all

    select * from unjudged_steroids

),

judged as (

    select
        person_id,
        kind,
        start_date,
        end_date,
        evidence_date,
        kind not in (
            'steroid_of_unknown_route', 'steroid_of_unknown_duration'
        ) as is_evidence

    from all_evidence

)

select * from judged
