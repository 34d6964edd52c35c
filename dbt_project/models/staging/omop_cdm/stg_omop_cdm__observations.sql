with

source as (

    select * from {{ source('omop_cdm', 'observation') }}

),

renamed as (

    select
        -- place
        delivery_id,
        'observation' as source_table,
        file_no,
        line_no,
        0 as part,

        -- record
        observation_id as record_id,
        {{ content_hash() }} as content_hash,
        cast(null as varchar) as source_version,
        person_id,
        visit_occurrence_id as delivered_visit_id,
        cast(null as varchar) as exclusion_rule,

        -- dates
        observation_date as delivered_event_date,
        cast(null as date) as end_date,
        cast(null as date) as recorded_date,
        observation_date as fallback_known_date,

        -- code
        cast(null as varchar) as vocabulary_id,
        observation_source_value as source_value,
        coalesce(observation_concept_id, {{ unmapped_concept_id() }})
            as delivered_concept_id,
        observation_source_concept_id as delivered_source_concept_id,
        observation_type_concept_id as type_concept_id,

        -- of this kind
        value_as_number,
        value_as_string,
        cast(null as varchar) as value_vocabulary_id,
        cast(null as varchar) as value_code,
        value_as_concept_id as delivered_value_concept_id,
        qualifier_concept_id,
        cast(null as varchar) as unit_code,
        unit_concept_id as delivered_unit_concept_id,
        unit_source_value,
        cast(null as varchar) as value_source_value

    from source

)

select * from renamed
