with

source as (

    select * from {{ source('omop_cdm', 'observation_period') }}

),

renamed as (

    select
        -- place
        delivery_id,
        'observation_period' as source_table,
        file_no,
        line_no,

        -- record
        observation_period_id as record_id,
        {{ content_hash() }} as content_hash,
        cast(null as varchar) as source_version,
        person_id,

        -- period
        observation_period_start_date,
        observation_period_end_date,
        period_type_concept_id

    from source

)

select * from renamed
