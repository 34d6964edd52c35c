-- Supplies of asthma treatments of persons with any asthma. Of supplies of one
-- treatment on one day that become known on one day the longest counts. One that
-- says no days lasts as long as is usual for it; none counts for more than a year.
with

drug_exposures as (

    select * from {{ ref('int_drug_exposures') }}

),

concept_set_members as (

    select * from {{ ref('int_concept_set_members') }}

),

treatments as (

    select * from {{ ref('asthma_treatments') }}

),

any_asthma as (

    select * from {{ ref('asthma__int_any_asthma') }}

),

treatment_concepts as (

    select
        treatments.treatment,
        treatments.kind,
        treatments.default_days_supply,
        concept_set_members.concept_id

    from treatments

    inner join concept_set_members
        on treatments.treatment = concept_set_members.concept_set

),

fills as (

    select
        drug_exposures.person_id,
        treatment_concepts.treatment,
        treatment_concepts.kind,
        drug_exposures.event_date as start_date,
        greatest(
            drug_exposures.event_date,
            drug_exposures.known_date,
            drug_exposures.details_known_date
        ) as evidence_date,
        max(case
            when drug_exposures.days_supply > 365 then 365
            when drug_exposures.days_supply > 0
                then drug_exposures.days_supply
            else treatment_concepts.default_days_supply
        end) as days_supply

    from drug_exposures

    inner join treatment_concepts
        on drug_exposures.drug_concept_id = treatment_concepts.concept_id

    inner join any_asthma
        on drug_exposures.person_id = any_asthma.person_id

    where
        drug_exposures.event_date is not null
        and drug_exposures.known_date is not null

    group by
        drug_exposures.person_id,
        treatment_concepts.treatment,
        treatment_concepts.kind,
        drug_exposures.event_date,
        greatest(
            drug_exposures.event_date,
            drug_exposures.known_date,
            drug_exposures.details_known_date
        )

)

select * from fills
