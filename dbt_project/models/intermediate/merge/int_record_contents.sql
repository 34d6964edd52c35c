-- The rows of records that came more than once, with what they say. Here the
-- contents of rows are hashed, once, and of these rows only.
with

contested as (

    select * from {{ ref('int_records_contested') }}

),

{% call(scope, entity) each_received_entity() %}
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
{% endcall %}

select * from unioned
