-- The first exposure of a person to celecoxib and to diclofenac: the first day
-- on which one has happened and is known. An exposure that happened earlier and
-- became known later was nobody's knowledge on that day and does not move it.
with

drug_exposures as (

    select * from {{ ref('int_drug_exposures') }}

),

concept_set_members as (

    select * from {{ ref('int_concept_set_members') }}

),

first_exposures as (

    select
        drug_exposures.person_id,
        concept_set_members.concept_set as drug,
        min(greatest(
            drug_exposures.event_date, drug_exposures.known_date
        )) as exposure_date

    from drug_exposures

    inner join concept_set_members
        on drug_exposures.drug_concept_id = concept_set_members.concept_id

    where
        concept_set_members.concept_set in ('celecoxib', 'diclofenac')
        and drug_exposures.event_date is not null
        and drug_exposures.known_date is not null

    group by drug_exposures.person_id, concept_set_members.concept_set

)

select * from first_exposures
