with

source as (

    select * from {{ source('omop_cdm', 'procedure_occurrence') }}

),

renamed as (

    select
        -- place
        delivery_id,
        'procedure_occurrence' as source_table,
        file_no,
        line_no,
        0 as part,

        -- record
        procedure_occurrence_id as record_id,
        {{ content_hash() }} as content_hash,
        cast(null as varchar) as source_version,
        person_id,
        visit_occurrence_id as delivered_visit_id,
        cast(null as varchar) as exclusion_rule,

        -- dates
        procedure_date as delivered_event_date,
        procedure_end_date as end_date,
        cast(null as date) as recorded_date,
        procedure_date as fallback_known_date,

        -- code
        cast(null as varchar) as vocabulary_id,
        procedure_source_value as source_value,
        coalesce(procedure_concept_id, {{ unmapped_concept_id() }})
            as delivered_concept_id,
        procedure_source_concept_id as delivered_source_concept_id,
        procedure_type_concept_id as type_concept_id,

        -- of this kind
        modifier_concept_id,
        quantity

    from source

)

select * from renamed
