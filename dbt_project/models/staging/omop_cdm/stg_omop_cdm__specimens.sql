with

source as (

    select * from {{ source('omop_cdm', 'specimen') }}

),

renamed as (

    select
        -- place
        delivery_id,
        'specimen' as source_table,
        file_no,
        line_no,
        0 as part,

        -- record
        specimen_id as record_id,
        {{ content_hash() }} as content_hash,
        cast(null as varchar) as source_version,
        person_id,
        cast(null as bigint) as delivered_visit_id,
        cast(null as varchar) as exclusion_rule,

        -- dates
        specimen_date as delivered_event_date,
        cast(null as date) as end_date,
        cast(null as date) as recorded_date,
        specimen_date as fallback_known_date,

        -- code
        cast(null as varchar) as vocabulary_id,
        specimen_source_value as source_value,
        coalesce(specimen_concept_id, {{ unmapped_concept_id() }})
            as delivered_concept_id,
        cast(null as integer) as delivered_source_concept_id,
        specimen_type_concept_id as type_concept_id,

        -- of this kind
        quantity,
        anatomic_site_concept_id,
        disease_status_concept_id,
        cast(null as varchar) as unit_code,
        unit_concept_id as delivered_unit_concept_id,
        unit_source_value

    from source

)

select * from renamed
