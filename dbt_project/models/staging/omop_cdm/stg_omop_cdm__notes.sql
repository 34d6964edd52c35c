with

source as (

    select * from {{ source('omop_cdm', 'note') }}

),

renamed as (

    select
        -- place
        delivery_id,
        'note' as source_table,
        file_no,
        line_no,

        -- record
        note_id as record_id,
        {{ content_hash() }} as content_hash,
        cast(null as varchar) as source_version,
        person_id,
        visit_occurrence_id as delivered_visit_id,

        -- document
        note_date,
        coalesce(note_type_concept_id, {{ unmapped_concept_id() }})
            as note_type_concept_id,
        coalesce(note_class_concept_id, {{ unmapped_concept_id() }})
            as note_class_concept_id,
        coalesce(encoding_concept_id, {{ unmapped_concept_id() }})
            as encoding_concept_id,
        coalesce(language_concept_id, {{ unmapped_concept_id() }})
            as language_concept_id,
        provider_id,
        note_source_value

    from source

)

select * from renamed
