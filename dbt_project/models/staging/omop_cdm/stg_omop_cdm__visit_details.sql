with

source as (

    select * from {{ source('omop_cdm', 'visit_detail') }}

),

renamed as (

    select
        -- place
        delivery_id,
        'visit_detail' as source_table,
        file_no,
        line_no,

        -- record
        visit_detail_id as record_id,
        {{ content_hash() }} as content_hash,
        cast(null as varchar) as source_version,
        person_id,
        visit_occurrence_id as delivered_visit_id,

        -- part
        coalesce(visit_detail_concept_id, {{ unmapped_concept_id() }})
            as visit_detail_concept_id,
        visit_detail_start_date,
        coalesce(visit_detail_end_date, visit_detail_start_date)
            as visit_detail_end_date,
        coalesce(visit_detail_type_concept_id, {{ unmapped_concept_id() }})
            as visit_detail_type_concept_id,
        provider_id,
        care_site_id,
        visit_detail_source_concept_id,
        admitted_from_concept_id,
        discharged_to_concept_id,
        preceding_visit_detail_id,
        parent_visit_detail_id

    from source

)

select * from renamed
