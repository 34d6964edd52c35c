with

source as (

    select * from {{ source('omop_cdm', 'cdm_source') }}

),

renamed as (

    select
        -- place
        delivery_id,
        'cdm_source' as source_table,
        file_no,
        line_no,

        -- record
        cast(0 as bigint) as record_id,
        {{ content_hash() }} as content_hash

    from source

)

select * from renamed
