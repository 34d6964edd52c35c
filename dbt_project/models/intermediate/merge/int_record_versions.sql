-- What becomes of the rows of a record that came more than once.
--
-- Deliveries are ordered by as_of and source version, rows of one rank by their
-- content. The last content counts; its first row is kept and its other rows are
-- duplicates. Rows of earlier contents are superseded. If the record is missing
-- from the latest full delivery and came in none after it, it is withdrawn.
--
-- Two contents under one id within one delivery are two records: the second gets
-- a key of its own, made of id and content, so that neither is lost.
with

contested as (

    select * from {{ ref('int_records_contested') }}

),

deliveries as (

    select * from {{ ref('int_deliveries') }}

),

{% for scope, entities in record_scopes() %}
{% for entity in entities %}
{{ entity }} as (

    select
        '{{ scope }}' as scope,
        received.source_table,
        received.record_id,
        received.delivery_id,
        received.file_no,
        received.line_no,
        received.content_hash

    from {{ ref('int_' ~ entity ~ '_received') }} as received

    inner join contested
        on
            received.record_id = contested.record_id
            and received.source_table = contested.source_table
            and contested.scope = '{{ scope }}'

    {% if scope == 'events' %}
    where received.part = 0
    {% endif %}

),

{% endfor %}
{% endfor %}
rows_of_records as (

    {% for scope, entities in record_scopes() %}
    {% set last_scope = loop.last %}
    {% for entity in entities %}
    select * from {{ entity }}
    {{ 'union all' if not (last_scope and loop.last) }}
    {% endfor %}
    {% endfor %}

),

ordered as (

    select
        rows_of_records.*,
        deliveries.as_of,
        deliveries.delivery_no,
        deliveries.is_before_latest_full,
        dense_rank() over (
            partition by
                rows_of_records.scope,
                rows_of_records.source_table,
                rows_of_records.record_id,
                rows_of_records.delivery_id
            order by rows_of_records.content_hash
        ) as content_no

    from rows_of_records

    inner join deliveries
        on rows_of_records.delivery_id = deliveries.delivery_id

),

keyed as (

    select
        *,
        case
            when content_no = 1 then record_id
            else {{ key_hash(['record_id', 'content_hash']) }}
        end as record_key

    from ordered

),

compared as (

    select
        *,
        lag(content_hash) over (
            partition by scope, source_table, record_key
            order by delivery_no, content_hash, delivery_id, file_no, line_no
        ) as previous_content,
        last_value(content_hash) over (
            partition by scope, source_table, record_key
            order by delivery_no, content_hash, delivery_id, file_no, line_no
            rows between unbounded preceding and unbounded following
        ) as last_content,
        row_number() over (
            partition by scope, source_table, record_key, content_hash
            order by delivery_no, delivery_id, file_no, line_no
        ) as copy_no,
        min(case when is_before_latest_full then 1 else 0 end) over (
            partition by scope, source_table, record_key
        ) as is_absent

    from keyed

),

decided as (

    select
        scope,
        source_table,
        delivery_id,
        file_no,
        line_no,
        record_key,
        record_key <> record_id as id_is_shared,
        case
            when copy_no > 1 then 'duplicate'
            when content_hash <> last_content then 'superseded'
            when is_absent = 1 then 'withdrawn'
            else 'current'
        end as merge_fate,
        -- The day on which the content that counts replaced another one.
        max(case when content_hash <> previous_content then as_of end) over (
            partition by scope, source_table, record_key
        ) as corrected_as_of

    from compared

)

select * from decided
