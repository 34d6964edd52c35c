with

source as (

    select * from {{ source('synthea_csv', 'payer_transitions') }}

),

renamed as (

    select
        -- place
        delivery_id,
        'payer_transitions' as source_table,
        file_no,
        line_no,

        -- record: the table has no ids, so a record is what began when
        {{ key_hash(['patient_id', 'payer', 'start_date']) }} as record_id,
        {{ content_hash() }} as content_hash,
        cast(null as varchar) as source_version,
        patient_id as person_id,

        -- span
        start_date as payer_plan_period_start_date,
        end_date as payer_plan_period_end_date,
        cast(null as integer) as payer_concept_id,
        payer as payer_source_value,
        cast(null as integer) as payer_source_concept_id,
        cast(null as integer) as plan_concept_id,
        cast(null as varchar) as plan_source_value,
        cast(null as integer) as plan_source_concept_id,
        cast(null as integer) as sponsor_concept_id,
        cast(null as varchar) as sponsor_source_value,
        cast(null as integer) as sponsor_source_concept_id,
        cast(null as integer) as stop_reason_concept_id,
        cast(null as varchar) as stop_reason_source_value,
        cast(null as integer) as stop_reason_source_concept_id

    from source

)

select * from renamed
