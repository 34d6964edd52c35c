{{ config(materialized='table') }}

-- What a code of a source means in standard concepts. A standard concept means
-- itself; any other is followed along 'Maps to', to one or more standard
-- concepts. A code that leads nowhere keeps its row with no matching concept.
-- Staging, because readers of coded formats choose among codings with it.
with

concepts as (

    select * from {{ ref('stg_vocabulary__concepts') }}

),

relationships as (

    select * from {{ ref('stg_vocabulary__concept_relationships') }}

),

code_systems as (

    select distinct vocabulary_id from {{ ref('code_systems') }}

),

-- A code may name several concepts, of which at most one is alive.
numbered as (

    select
        concepts.concept_id,
        concepts.vocabulary_id,
        concepts.concept_code,
        concepts.domain_id,
        coalesce(concepts.standard_concept, '') = 'S' as is_standard,
        row_number() over (
            partition by concepts.vocabulary_id, concepts.concept_code
            order by
                case when concepts.standard_concept = 'S' then 0 else 1 end,
                case when concepts.invalid_reason is null then 0 else 1 end,
                concepts.concept_id
        ) as concept_no

    from concepts

    inner join code_systems
        on concepts.vocabulary_id = code_systems.vocabulary_id

),

source_concepts as (

    select * from numbered
    where concept_no = 1

),

standard_targets as (

    select distinct
        relationships.concept_id_1 as source_concept_id,
        concepts.concept_id as standard_concept_id,
        concepts.domain_id

    from relationships

    inner join concepts
        on
            relationships.concept_id_2 = concepts.concept_id
            and concepts.standard_concept = 'S'

    where
        relationships.relationship_id = 'Maps to'
        and relationships.invalid_reason is null

),

mapped as (

    select
        source_concepts.vocabulary_id,
        source_concepts.concept_code as code,
        source_concepts.concept_id as source_concept_id,
        case
            when source_concepts.is_standard then source_concepts.concept_id
            else coalesce(
                standard_targets.standard_concept_id,
                {{ unmapped_concept_id() }}
            )
        end as standard_concept_id,
        case
            when source_concepts.is_standard then source_concepts.domain_id
            else standard_targets.domain_id
        end as domain_id

    from source_concepts

    left join standard_targets
        on
            source_concepts.concept_id = standard_targets.source_concept_id
            and not source_concepts.is_standard

),

targets_numbered as (

    select
        vocabulary_id,
        code,
        row_number() over (
            partition by vocabulary_id, code
            order by standard_concept_id
        ) as target_no,
        source_concept_id,
        standard_concept_id,
        domain_id

    from mapped

)

select * from targets_numbered
