with

settled as (

    select * from {{ ref('int_notes_settled') }}
    where fate = 'in_omop'

),

final as (

    select
        note_id,
        person_id,
        note_date,
        cast(null as timestamp) as note_datetime,
        note_type_concept_id,
        note_class_concept_id,
        cast(null as {{ dbt.type_string() }}) as note_title,
        cast(null as {{ dbt.type_string() }}) as note_text,
        encoding_concept_id,
        language_concept_id,
        provider_id,
        visit_occurrence_id,
        cast(null as bigint) as visit_detail_id,
        note_source_value,
        cast(null as bigint) as note_event_id,
        cast(null as integer) as note_event_field_concept_id

    from settled

)

select * from final
