-- Asthma drugs of persons with any asthma: relievers and controllers. One drug
-- on one day is one fill, however many rows record it. Systemic steroids are
-- no asthma drugs here: they treat too much else, and the exacerbations hold
-- them.
with

drug_exposures as (

    select * from {{ ref('int_drug_exposures') }}

),

concept_set_members as (

    select * from {{ ref('int_concept_set_members') }}

),

any_asthma as (

    select * from {{ ref('asthma__int_any_asthma') }}

),

asthma_drugs as (

    select
        concept_id,
        max(
            case when concept_set = 'asthma_saba' then 0 else 1 end
        ) as is_controller

    from concept_set_members

    where
        concept_set in (
            'asthma_saba',
            'asthma_ics',
            'asthma_laba',
            'asthma_lama',
            'asthma_ltra',
            'asthma_xanthine',
            'asthma_biologic'
        )

    group by concept_id

),

fills as (

    select
        drug_exposures.person_id,
        drug_exposures.event_date,
        drug_exposures.drug_concept_id,
        asthma_drugs.is_controller = 1 as is_controller,
        min(greatest(
            drug_exposures.event_date, drug_exposures.known_date
        )) as evidence_date

    from drug_exposures

    inner join asthma_drugs
        on drug_exposures.drug_concept_id = asthma_drugs.concept_id

    inner join any_asthma
        on drug_exposures.person_id = any_asthma.person_id

    where
        drug_exposures.event_date is not null
        and drug_exposures.known_date is not null

    group by
        drug_exposures.person_id,
        drug_exposures.event_date,
        drug_exposures.drug_concept_id,
        asthma_drugs.is_controller

)

select * from fills
