-- The concepts of every concept set: those listed in the seed and, where the
-- seed says so, their descendants. A partial vocabulary lacks self rows and
-- pairs in concept_ancestor, so a listed concept never depends on it.
with

listed as (

    select * from {{ ref('concept_sets') }}

),

ancestors as (

    select * from {{ ref('stg_vocabulary__concept_ancestors') }}

),

concepts as (

    select * from {{ ref('stg_vocabulary__concepts') }}

),

descendants as (

    select
        listed.concept_set,
        ancestors.descendant_concept_id as concept_id,
        listed.dose_form

    from listed

    inner join ancestors
        on listed.concept_id = ancestors.ancestor_concept_id

    where listed.include_descendants

),

-- The same ingredient is given to the nose, the skin and the gut. The standard
-- names of inhaled forms say Inhaler, Inhalation or Inhalant. The ingredient
-- itself stays: sources that map to ingredients would have no inhaled drugs.
inhaled_concepts as (

    select concept_id

    from concepts

    where
        lower(concept_name) like '%inhal%'
        and lower(concept_name) not like '%nasal%'

),

members as (

    select
        concept_set,
        concept_id

    from listed

    union distinct

    select
        descendants.concept_set,
        descendants.concept_id

    from descendants

    left join inhaled_concepts
        on descendants.concept_id = inhaled_concepts.concept_id

    where
        descendants.dose_form = 'any'
        or inhaled_concepts.concept_id is not null

)

select * from members
