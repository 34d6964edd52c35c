-- What OHDSI PhenotypeLibrary 27 excludes: a diagnosis of chronic obstructive
-- lung disease, or a long-acting muscarinic antagonist.
with

copd_diagnoses as (

    select * from {{ ref('asthma__int_copd_diagnoses') }}

),

drug_exposures as (

    select * from {{ ref('int_drug_exposures') }}

),

concept_set_members as (

    select * from {{ ref('int_concept_set_members') }}

),

lama_exposures as (

    select
        drug_exposures.person_id,
        greatest(
            drug_exposures.event_date, drug_exposures.known_date
        ) as evidence_date

    from drug_exposures

    inner join concept_set_members
        on drug_exposures.drug_concept_id = concept_set_members.concept_id

    where
        concept_set_members.concept_set = 'pl_27_lama'
        and drug_exposures.event_date is not null
        and drug_exposures.known_date is not null

),

evidence as (

    select
        person_id,
        evidence_date

    from copd_diagnoses

    union all

    select
        person_id,
        evidence_date

    from lama_exposures

),

exclusions as (

    select
        person_id,
        min(evidence_date) as exclusion_date

    from evidence

    group by person_id

)

select * from exclusions
