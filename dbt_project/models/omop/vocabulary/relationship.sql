with

relationships as (

    select * from {{ ref('stg_vocabulary__relationships') }}

),

final as (

    select
        relationship_id,
        relationship_name,
        is_hierarchical,
        defines_ancestry,
        reverse_relationship_id,
        relationship_concept_id

    from relationships

)

select * from final
