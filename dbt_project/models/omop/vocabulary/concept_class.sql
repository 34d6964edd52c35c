with

concept_classes as (

    select * from {{ ref('stg_vocabulary__concept_classes') }}

),

final as (

    select
        concept_class_id,
        concept_class_name,
        concept_class_concept_id

    from concept_classes

)

select * from final
