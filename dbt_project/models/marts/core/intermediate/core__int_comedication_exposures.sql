-- Exposures to the drugs of the concept set comedication, by ingredient: a drug of
-- two ingredients is an exposure to each.
with

drug_exposures as (

    select * from {{ ref('int_drug_exposures') }}

),

drug_ingredients as (

    select * from {{ ref('int_drug_ingredients') }}

),

concept_set_members as (

    select * from {{ ref('int_concept_set_members') }}

),

wanted as (

    select
        drug_ingredients.drug_concept_id,
        drug_ingredients.ingredient_concept_id

    from drug_ingredients

    inner join concept_set_members
        on
            drug_ingredients.ingredient_concept_id
            = concept_set_members.concept_id

    where concept_set_members.concept_set = 'comedication'

),

exposures as (

    select
        drug_exposures.person_id,
        wanted.ingredient_concept_id,
        drug_exposures.event_date as start_date,
        greatest(
            drug_exposures.event_date, drug_exposures.drug_exposure_end_date
        ) as end_date,
        {{ evidence_date('drug_exposures') }} as evidence_date,
        greatest(
            {{ evidence_date('drug_exposures') }},
            drug_exposures.details_known_date
        ) as details_date

    from drug_exposures

    inner join wanted
        on drug_exposures.drug_concept_id = wanted.drug_concept_id

    where
        drug_exposures.event_date is not null
        and drug_exposures.known_date is not null

)

select * from exposures
