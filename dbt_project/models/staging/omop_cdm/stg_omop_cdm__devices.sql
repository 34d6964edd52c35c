with

source as (

    select * from {{ source('omop_cdm', 'device_exposure') }}

),

renamed as (

    select
        -- place
        delivery_id,
        'device_exposure' as source_table,
        file_no,
        line_no,
        0 as part,

        -- record
        device_exposure_id as record_id,
        {{ content_hash() }} as content_hash,
        cast(null as varchar) as source_version,
        person_id,
        visit_occurrence_id as delivered_visit_id,
        cast(null as varchar) as exclusion_rule,

        -- dates
        device_exposure_start_date as delivered_event_date,
        device_exposure_end_date as end_date,
        cast(null as date) as recorded_date,
        device_exposure_start_date as fallback_known_date,

        -- code
        cast(null as varchar) as vocabulary_id,
        device_source_value as source_value,
        coalesce(device_concept_id, {{ unmapped_concept_id() }})
            as delivered_concept_id,
        device_source_concept_id
            as delivered_source_concept_id,
        device_type_concept_id as type_concept_id,

        -- of this kind
        quantity,
        cast(null as varchar) as unit_code,
        unit_concept_id as delivered_unit_concept_id,
        unit_source_value

    from source

)

select * from renamed
