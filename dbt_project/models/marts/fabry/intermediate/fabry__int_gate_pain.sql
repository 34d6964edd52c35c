-- Gate: chronic pain of the limbs from before the age of 20, that is, a record of
-- limb or neuropathic pain before that age and another 90 days or more after it.
with

records as (

    select * from {{ ref('fabry__int_aged_records') }}

),

pains as (

    select
        person_id,
        evidence_date,
        case when age_in_years < 20 then evidence_date end as young_date,
        {{ days_between("date '1900-01-01'", 'event_date') }} as day_number

    from records

    where concept_set in ('limb_pain', 'neuropathic_pain')

),

with_young_pain as (

    select
        person_id,
        evidence_date,
        min(young_date) over (
            partition by person_id
            order by day_number
            range between unbounded preceding and 90 preceding
        ) as young_date

    from pains

),

met as (

    select
        person_id,
        min(greatest(evidence_date, young_date)) as gate_date

    from with_young_pain

    where young_date is not null

    group by person_id

)

select * from met
