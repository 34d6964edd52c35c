with

source as (

    select * from {{ source('omop_cdm', 'visit_occurrence') }}

),

renamed as (

    select
        -- place
        delivery_id,
        'visit_occurrence' as source_table,
        file_no,
        line_no,

        -- record
        visit_occurrence_id as record_id,
        {{ content_hash() }} as content_hash,
        cast(null as varchar) as source_version,
        person_id,
        cast(null as varchar) as exclusion_rule,

        -- visit
        visit_start_date,
        visit_end_date,
        visit_start_date as fallback_known_date,
        cast(null as varchar) as class_code,
        coalesce(visit_concept_id, {{ unmapped_concept_id() }})
            as delivered_visit_concept_id,
        visit_type_concept_id,
        visit_source_concept_id,
        admitted_from_concept_id,
        discharged_to_concept_id,
        preceding_visit_occurrence_id,

        -- where and by whom
        provider_id,
        care_site_id

    from source

)

select * from renamed
