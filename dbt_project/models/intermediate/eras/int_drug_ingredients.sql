-- The ingredients of every drug concept in use. A concept that is itself an
-- ingredient is its own, whether or not the ancestors say so. A view: as a table it
-- would be of all persons together, and what reads it no longer of one person.
{{ config(materialized='view') }}

with

drug_exposures as (

    select distinct drug_concept_id
    from {{ ref('int_drug_exposures') }}

),

ancestors as (

    select * from {{ ref('stg_vocabulary__concept_ancestors') }}

),

ingredients as (

    select concept_id
    from {{ ref('stg_vocabulary__concepts') }}

    where
        concept_class_id = 'Ingredient'
        and standard_concept = 'S'

),

containing as (

    select
        drug_exposures.drug_concept_id,
        ingredients.concept_id as ingredient_concept_id

    from drug_exposures

    inner join ancestors
        on drug_exposures.drug_concept_id = ancestors.descendant_concept_id

    inner join ingredients
        on ancestors.ancestor_concept_id = ingredients.concept_id

    union

    select
        drug_exposures.drug_concept_id,
        ingredients.concept_id as ingredient_concept_id

    from drug_exposures

    inner join ingredients
        on drug_exposures.drug_concept_id = ingredients.concept_id

)

select * from containing
