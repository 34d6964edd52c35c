-- Whether the rows of a record that came more than once say the same. Most do: a
-- full delivery brings again what the one before it brought. One grouping finds
-- them, so that only the others need their rows put in order.
with

contents as (

    select * from {{ ref('int_record_contents') }}

),

deliveries as (

    select * from {{ ref('int_deliveries') }}

),

compared as (

    select
        contents.scope,
        contents.source_table,
        contents.record_id,
        min(contents.content_hash) = max(contents.content_hash)
            as contents_agree,
        min(deliveries.delivery_no) as first_delivery_no,
        min(case when deliveries.is_before_latest_full then 1 else 0 end)
            as is_absent,
        min({{ place([
            'deliveries.place_no', 'contents.file_no', 'contents.line_no',
        ]) }}) as first_place

    from contents

    inner join deliveries
        on contents.delivery_id = deliveries.delivery_id

    group by
        contents.scope,
        contents.source_table,
        contents.record_id

)

select * from compared
