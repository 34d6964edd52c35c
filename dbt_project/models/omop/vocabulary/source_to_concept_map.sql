-- Reading takes every row that is not marked invalid, whatever its days say: so
-- each is given OMOP's first and last day.
with

mappings as (

    select * from {{ ref('stg_vocabulary__source_to_concept_maps') }}

),

concepts as (

    select * from {{ ref('stg_vocabulary__concepts') }}

),

final as (

    select
        mappings.source_code,
        mappings.source_concept_id,
        mappings.source_vocabulary_id,
        mappings.source_code_description,
        mappings.target_concept_id,
        coalesce(concepts.vocabulary_id, 'None') as target_vocabulary_id,
        cast('1970-01-01' as date) as valid_start_date,
        cast('2099-12-31' as date) as valid_end_date,
        cast(null as {{ dbt.type_string() }}) as invalid_reason

    from mappings

    left join concepts
        on mappings.target_concept_id = concepts.concept_id

)

select * from final
