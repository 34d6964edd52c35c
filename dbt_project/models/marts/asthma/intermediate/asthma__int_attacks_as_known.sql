-- Attacks as they came to be known: evidence of an exacerbation that lies 14 days
-- or more away from all evidence that was known before it. Episodes as they are
-- known today are in asthma__exacerbations; later evidence can join two of those,
-- and never moves one of these.
with

evidence as (

    select
        person_id,
        start_date,
        max(end_date) as end_date,
        evidence_date,
        max(case
            when kind in ('emergency_visit', 'hospital_stay') then 1 else 0
        end) as is_acute

    from {{ ref('asthma__int_exacerbation_evidence') }}

    where is_evidence

    group by person_id, start_date, evidence_date

),

near_earlier as (

    select distinct
        evidence.person_id,
        evidence.start_date,
        evidence.evidence_date

    from evidence

    inner join evidence as earlier
        on
            evidence.person_id = earlier.person_id
            and {{ add_days('evidence.end_date', 14) }} > earlier.start_date
            and evidence.start_date < {{ add_days('earlier.end_date', 14) }}

    where
        earlier.evidence_date < evidence.evidence_date
        or (
            earlier.evidence_date = evidence.evidence_date
            and earlier.start_date < evidence.start_date
        )

),

attacks as (

    select
        evidence.person_id,
        evidence.start_date,
        evidence.end_date,
        evidence.evidence_date,
        evidence.is_acute = 1 as is_acute,
        near_earlier.person_id is null as is_new

    from evidence

    left join near_earlier
        on
            evidence.person_id = near_earlier.person_id
            and evidence.start_date = near_earlier.start_date
            and evidence.evidence_date = near_earlier.evidence_date

)

select * from attacks
