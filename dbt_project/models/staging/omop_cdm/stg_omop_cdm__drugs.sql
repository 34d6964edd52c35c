with

source as (

    select * from {{ source('omop_cdm', 'drug_exposure') }}

),

renamed as (

    select
        -- place
        delivery_id,
        'drug_exposure' as source_table,
        file_no,
        line_no,
        0 as part,

        -- record
        drug_exposure_id as record_id,
        {{ content_hash() }} as content_hash,
        cast(null as varchar) as source_version,
        person_id,
        visit_occurrence_id as delivered_visit_id,
        cast(null as varchar) as exclusion_rule,

        -- dates
        drug_exposure_start_date as delivered_event_date,
        drug_exposure_end_date as end_date,
        cast(null as date) as recorded_date,
        drug_exposure_start_date as fallback_known_date,

        -- code
        cast(null as varchar) as vocabulary_id,
        drug_source_value as source_value,
        coalesce(drug_concept_id, {{ unmapped_concept_id() }})
            as delivered_concept_id,
        drug_source_concept_id as delivered_source_concept_id,
        drug_type_concept_id as type_concept_id,

        -- of this kind
        verbatim_end_date,
        refills,
        quantity,
        days_supply,
        route_concept_id

    from source

)

select * from renamed
