-- What the sources say about themselves. The row of the latest delivery stands;
-- the CDM's own row is about this build and is made in int_cdm_sources.
with

received as (

    select * from {{ ref('int_cdm_sources_received') }}

),

deliveries as (

    select * from {{ ref('int_deliveries') }}

),

numbered as (

    select
        received.*,
        row_number() over (
            order by
                deliveries.delivery_no desc,
                received.content_hash desc,
                received.delivery_id desc,
                received.file_no asc,
                received.line_no asc
        ) as row_no

    from received

    inner join deliveries
        on received.delivery_id = deliveries.delivery_id

),

settled as (

    select
        delivery_id,
        source_table,
        file_no,
        line_no,
        case when row_no = 1 then 'in_omop' else 'superseded' end as fate,
        case when row_no > 1 then 'later_version' end as rule

    from numbered

)

select * from settled
