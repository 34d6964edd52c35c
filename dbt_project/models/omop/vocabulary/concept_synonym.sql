with

concept_synonyms as (

    select * from {{ ref('stg_vocabulary__concept_synonyms') }}

),

final as (

    select
        concept_id,
        concept_synonym_name,
        language_concept_id

    from concept_synonyms

)

select * from final
