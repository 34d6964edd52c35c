with

source as (

    select * from {{ source('omop_cdm', 'death') }}

),

renamed as (

    select
        -- place
        delivery_id,
        'death' as source_table,
        file_no,
        line_no,

        -- record
        person_id as record_id,
        {{ content_hash() }} as content_hash,
        cast(null as varchar) as source_version,
        person_id,

        -- death
        death_date,
        death_type_concept_id,
        cause_concept_id,
        cause_source_concept_id

    from source

)

select * from renamed
