with

source as (

    select * from {{ source('omop_cdm', 'payer_plan_period') }}

),

renamed as (

    select
        -- place
        delivery_id,
        'payer_plan_period' as source_table,
        file_no,
        line_no,

        -- record
        payer_plan_period_id as record_id,
        {{ content_hash() }} as content_hash,
        cast(null as varchar) as source_version,
        person_id,

        -- span
        payer_plan_period_start_date,
        payer_plan_period_end_date,
        payer_concept_id,
        payer_source_value,
        payer_source_concept_id,
        plan_concept_id,
        plan_source_value,
        plan_source_concept_id,
        sponsor_concept_id,
        sponsor_source_value,
        sponsor_source_concept_id,
        stop_reason_concept_id,
        stop_reason_source_value,
        stop_reason_source_concept_id

    from source

)

select * from renamed
