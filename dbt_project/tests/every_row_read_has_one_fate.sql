-- Nothing is lost: for each source table of each delivery the fates add up to the
-- rows that extract says it read. That no row has two fates is a test of
-- int_row_fates. A delivery that was read after the build began is none of its.
with

fates as (

    select
        delivery_id,
        source_table,
        count(*) as row_count

    from {{ ref('int_row_fates') }}

    group by
        delivery_id,
        source_table

),

deliveries as (

    select * from {{ ref('int_deliveries') }}

),

counts as (

    select * from {{ source('deliveries', 'read_counts') }}

),

read_counts as (

    select
        counts.delivery_id,
        counts.source_table,
        counts.rows_read

    from counts

    inner join deliveries
        on counts.delivery_id = deliveries.delivery_id

),

exceptions as (

    select
        coalesce(read_counts.delivery_id, fates.delivery_id) as delivery_id,
        coalesce(read_counts.source_table, fates.source_table) as source_table,
        read_counts.rows_read,
        fates.row_count

    from read_counts

    full outer join fates
        on
            read_counts.delivery_id = fates.delivery_id
            and read_counts.source_table = fates.source_table

    where coalesce(read_counts.rows_read, 0) <> coalesce(fates.row_count, 0)

)

select * from exceptions
