with

source as (

    select * from {{ source('omop_cdm', 'measurement') }}

),

renamed as (

    select
        -- place
        delivery_id,
        'measurement' as source_table,
        file_no,
        line_no,
        0 as part,

        -- record
        measurement_id as record_id,
        {{ content_hash() }} as content_hash,
        cast(null as varchar) as source_version,
        person_id,
        visit_occurrence_id as delivered_visit_id,
        cast(null as varchar) as exclusion_rule,

        -- dates
        measurement_date as delivered_event_date,
        cast(null as date) as end_date,
        cast(null as date) as recorded_date,
        measurement_date as fallback_known_date,

        -- code
        cast(null as varchar) as vocabulary_id,
        measurement_source_value as source_value,
        coalesce(measurement_concept_id, {{ unmapped_concept_id() }})
            as delivered_concept_id,
        measurement_source_concept_id as delivered_source_concept_id,
        measurement_type_concept_id as type_concept_id,

        -- of this kind
        operator_concept_id,
        value_as_number,
        cast(null as varchar) as value_vocabulary_id,
        cast(null as varchar) as value_code,
        value_as_concept_id as delivered_value_concept_id,
        cast(null as varchar) as unit_code,
        unit_concept_id as delivered_unit_concept_id,
        range_low,
        range_high,
        unit_source_value,
        value_source_value

    from source

)

select * from renamed
