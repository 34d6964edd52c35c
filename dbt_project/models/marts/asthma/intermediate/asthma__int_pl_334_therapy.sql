-- Second arm of OHDSI PhenotypeLibrary 334: an inhaled asthma drug before the
-- age of 55, and an earlier one 180 to 365 days before it. Age is the
-- difference of calendar years, as in the definition.
with

drug_exposures as (

    select * from {{ ref('int_drug_exposures') }}

),

persons as (

    select * from {{ ref('int_persons') }}

),

concept_set_members as (

    select * from {{ ref('int_concept_set_members') }}

),

therapies as (

    select
        drug_exposures.person_id,
        drug_exposures.event_date,
        greatest(
            drug_exposures.event_date, drug_exposures.known_date
        ) as evidence_date,
        {{ days_between("date '1900-01-01'", 'drug_exposures.event_date') }}
            as day_number

    from drug_exposures

    inner join concept_set_members
        on drug_exposures.drug_concept_id = concept_set_members.concept_id

    where
        concept_set_members.concept_set = 'pl_334_therapy'
        and drug_exposures.event_date is not null
        and drug_exposures.known_date is not null

),

with_earlier_therapy as (

    select
        person_id,
        event_date,
        evidence_date,
        min(evidence_date) over (
            partition by person_id
            order by day_number
            range between 365 preceding and 180 preceding
        ) as earlier_evidence_date

    from therapies

),

first_pairs as (

    select
        with_earlier_therapy.person_id,
        min(greatest(
            with_earlier_therapy.evidence_date,
            with_earlier_therapy.earlier_evidence_date
        )) as therapy_date

    from with_earlier_therapy

    inner join persons
        on with_earlier_therapy.person_id = persons.person_id

    where
        with_earlier_therapy.earlier_evidence_date is not null
        and extract(year from with_earlier_therapy.event_date)
        - persons.year_of_birth < 55

    group by with_earlier_therapy.person_id

)

select * from first_pairs
