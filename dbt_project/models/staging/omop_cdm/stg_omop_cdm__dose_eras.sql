with

source as (

    select * from {{ source('omop_cdm', 'dose_era') }}

),

renamed as (

    select
        -- place
        delivery_id,
        'dose_era' as source_table,
        file_no,
        line_no,

        -- record
        dose_era_id as record_id,
        {{ content_hash() }} as content_hash,
        cast(null as varchar) as source_version,
        person_id,

        -- era
        drug_concept_id,
        unit_concept_id,
        dose_value,
        dose_era_start_date,
        dose_era_end_date

    from source

)

select * from renamed
