-- Oral steroids that are taken all the time and not for an attack. A supply is
-- maintenance if it lasts four weeks or more, or if it goes on after four weeks
-- of shorter supplies that began in the eight weeks before it. That is half of
-- the days, as in the definition of severe asthma. No source names a rule by
-- days supplied, and the dose taken in a day is not in the CDM: the four weeks
-- are our assumption.
--
-- Supplies of four weeks or more do not make a shorter one maintenance: a burst
-- beside them is an attack. Of supplies that begin on one day the longest
-- counts. A supply is judged by what was known when it became known, so what
-- becomes known later makes it neither maintenance nor evidence.
with

steroids as (

    select * from {{ ref('asthma__int_systemic_steroids') }}

),

supplies as (

    select
        drug_exposure_id,
        person_id,
        start_date,
        {{ add_days('start_date', 'duration_days - 1') }} as end_date,
        evidence_date,
        duration_days

    from steroids

    where route = 'oral' and duration_days is not null

),

short_supplies as (

    select * from supplies

    where duration_days < 28

),

earlier_days as (

    select
        short_supplies.drug_exposure_id,
        earlier.start_date,
        max(earlier.duration_days) as duration_days

    from short_supplies

    inner join short_supplies as earlier
        on
            short_supplies.person_id = earlier.person_id
            and short_supplies.start_date > earlier.start_date
            and {{ add_days('short_supplies.start_date', -56) }}
            <= earlier.start_date
            and short_supplies.evidence_date >= earlier.evidence_date

    group by short_supplies.drug_exposure_id, earlier.start_date

),

supplied_before as (

    select
        drug_exposure_id,
        sum(duration_days) as days_supplied

    from earlier_days

    group by drug_exposure_id

),

maintenance_steroids as (

    select
        supplies.drug_exposure_id,
        supplies.person_id,
        supplies.start_date,
        supplies.end_date,
        supplies.evidence_date

    from supplies

    left join supplied_before
        on supplies.drug_exposure_id = supplied_before.drug_exposure_id

    where
        supplies.duration_days >= 28
        or supplied_before.days_supplied >= 28

)

select * from maintenance_steroids
