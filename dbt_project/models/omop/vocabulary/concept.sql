with

concepts as (

    select * from {{ ref('stg_vocabulary__concepts') }}

),

final as (

    select
        concept_id,
        concept_name,
        domain_id,
        vocabulary_id,
        concept_class_id,
        standard_concept,
        concept_code,
        valid_start_date,
        valid_end_date,
        invalid_reason

    from concepts

)

select * from final
