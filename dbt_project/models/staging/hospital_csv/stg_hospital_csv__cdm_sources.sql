-- This format says nothing about itself as a whole.
with

nothing as (

    select
        cast(null as varchar) as delivery_id,
        cast(null as varchar) as source_table,
        cast(null as integer) as file_no,
        cast(null as bigint) as line_no,
        cast(null as bigint) as record_id,
        cast(null as varchar) as content_hash

    where false

)

select * from nothing
