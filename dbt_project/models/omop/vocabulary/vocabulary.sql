with

vocabularies as (

    select * from {{ ref('stg_vocabulary__vocabularies') }}

),

final as (

    select
        vocabulary_id,
        vocabulary_name,
        vocabulary_reference,
        vocabulary_version,
        vocabulary_concept_id

    from vocabularies

)

select * from final
