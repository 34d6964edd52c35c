-- This format has no observation periods: they are derived from visits.
with

nothing as (

    select
        cast(null as varchar) as delivery_id,
        cast(null as varchar) as source_table,
        cast(null as integer) as file_no,
        cast(null as bigint) as line_no,
        cast(null as bigint) as record_id,
        cast(null as varchar) as content_hash,
        cast(null as varchar) as source_version,
        cast(null as bigint) as person_id,
        cast(null as date) as observation_period_start_date,
        cast(null as date) as observation_period_end_date,
        cast(null as integer) as period_type_concept_id

    where false

)

select * from nothing
