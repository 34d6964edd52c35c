with

source as (

    select * from {{ source('omop_cdm', 'condition_occurrence') }}

),

renamed as (

    select
        -- place
        delivery_id,
        'condition_occurrence' as source_table,
        file_no,
        line_no,
        0 as part,

        -- record
        condition_occurrence_id as record_id,
        {{ content_hash() }} as content_hash,
        cast(null as varchar) as source_version,
        person_id,
        visit_occurrence_id as delivered_visit_id,
        cast(null as varchar) as exclusion_rule,

        -- dates
        condition_start_date as delivered_event_date,
        condition_end_date as end_date,
        cast(null as date) as recorded_date,
        condition_start_date as fallback_known_date,

        -- code
        cast(null as varchar) as vocabulary_id,
        condition_source_value as source_value,
        coalesce(condition_concept_id, {{ unmapped_concept_id() }})
            as delivered_concept_id,
        condition_source_concept_id as delivered_source_concept_id,
        condition_type_concept_id as type_concept_id,

        -- of this kind
        condition_status_concept_id

    from source

)

select * from renamed
