-- The deliveries that this build is made of, in the order in which they supersede
-- one another. Absence from a full delivery withdraws what came before it.
with

deliveries as (

    select * from {{ source('deliveries', 'delivery') }}

),

ordered as (

    select
        cast(delivery_id as {{ dbt.type_string() }}) as delivery_id,
        cast(as_of as date) as as_of,
        cast(extracted_through as date) as extracted_through,
        cast(kind as {{ dbt.type_string() }}) as kind,
        cast(format as {{ dbt.type_string() }}) as format,
        cast(format_version as {{ dbt.type_string() }}) as format_version,
        dense_rank() over (
            order by as_of, coalesce(source_version, '')
        ) as delivery_no,
        row_number() over (
            order by as_of, coalesce(source_version, ''), delivery_id
        ) as place_no,
        row_number() over (
            order by as_of desc, coalesce(source_version, '') desc, delivery_id desc
        ) = 1 as is_latest

    from deliveries

),

compared as (

    select
        delivery_id,
        as_of,
        extracted_through,
        kind,
        format,
        format_version,
        delivery_no,
        place_no,
        is_latest,
        delivery_no < coalesce(
            max(case when kind = 'full' then delivery_no end) over (), 0
        ) as is_before_latest_full,
        max(extracted_through) over (
            order by delivery_no
            range between unbounded preceding and 1 preceding
        ) as reached_before

    from ordered

)

select * from compared
