-- What is named before it or above it and not delivered is nulled.
with

settled as (

    select * from {{ ref('int_episodes_settled') }}
    where fate = 'in_omop'

),

final as (

    select
        settled.episode_id,
        settled.person_id,
        settled.episode_concept_id,
        settled.episode_start_date,
        cast(null as timestamp) as episode_start_datetime,
        settled.episode_end_date,
        cast(null as timestamp) as episode_end_datetime,
        parents.episode_id as episode_parent_id,
        settled.episode_number,
        settled.episode_object_concept_id,
        settled.episode_type_concept_id,
        settled.episode_source_value,
        settled.episode_source_concept_id

    from settled

    left join settled as parents
        on settled.episode_parent_id = parents.episode_id

)

select * from final
