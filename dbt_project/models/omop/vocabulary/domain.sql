with

domains as (

    select * from {{ ref('stg_vocabulary__domains') }}

),

final as (

    select
        domain_id,
        domain_name,
        domain_concept_id

    from domains

)

select * from final
