with

source as (

    select * from {{ source('omop_cdm', 'episode') }}

),

renamed as (

    select
        -- place
        delivery_id,
        'episode' as source_table,
        file_no,
        line_no,

        -- record
        episode_id as record_id,
        {{ content_hash() }} as content_hash,
        cast(null as varchar) as source_version,
        person_id,

        -- phase
        coalesce(episode_concept_id, {{ unmapped_concept_id() }})
            as episode_concept_id,
        episode_start_date,
        episode_end_date,
        episode_parent_id,
        episode_number,
        coalesce(episode_object_concept_id, {{ unmapped_concept_id() }})
            as episode_object_concept_id,
        coalesce(episode_type_concept_id, {{ unmapped_concept_id() }})
            as episode_type_concept_id,
        episode_source_value,
        episode_source_concept_id

    from source

)

select * from renamed
