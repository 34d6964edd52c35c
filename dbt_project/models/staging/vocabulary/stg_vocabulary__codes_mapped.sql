{{ config(materialized='table') }}

-- What a code of a source means in standard concepts. A standard concept means
-- itself; any other is followed along 'Maps to', to one or more standard
-- concepts. A code that leads nowhere keeps its row with no matching concept.
-- What the hospital's own mapping says of a code counts before the vocabulary.
-- Staging, because readers of coded formats choose among codings with it.
with

concepts as (

    select * from {{ ref('stg_vocabulary__concepts') }}

),

relationships as (

    select * from {{ ref('stg_vocabulary__concept_relationships') }}

),

own_mapping as (

    select * from {{ ref('stg_vocabulary__source_to_concept_maps') }}

),

code_systems as (

    select vocabulary_id from {{ ref('code_systems') }}

    union distinct

    select vocabulary_id from {{ ref('kcd_revisions') }}

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

    where concepts.concept_code is not null

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

mapped_by_vocabulary as (

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

codes_of_own_mapping as (

    select distinct
        source_vocabulary_id,
        source_code
    from own_mapping

),

mapped_by_hospital as (

    select
        own_mapping.source_vocabulary_id as vocabulary_id,
        own_mapping.source_code as code,
        coalesce(source_concepts.concept_id, own_mapping.source_concept_id)
            as source_concept_id,
        own_mapping.target_concept_id as standard_concept_id,
        concepts.domain_id

    from own_mapping

    left join source_concepts
        on
            own_mapping.source_vocabulary_id = source_concepts.vocabulary_id
            and own_mapping.source_code = source_concepts.concept_code

    left join concepts
        on
            own_mapping.target_concept_id = concepts.concept_id
            and own_mapping.target_concept_id <> {{ unmapped_concept_id() }}

),

mapped as (

    select * from mapped_by_hospital

    union all

    select mapped_by_vocabulary.*
    from mapped_by_vocabulary

    left join codes_of_own_mapping
        on
            mapped_by_vocabulary.vocabulary_id
            = codes_of_own_mapping.source_vocabulary_id
            and mapped_by_vocabulary.code = codes_of_own_mapping.source_code

    where codes_of_own_mapping.source_code is null

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
