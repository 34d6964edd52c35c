-- The rows of records that came more than once, with what they say. Here the
-- contents of rows are hashed, once, and of these rows only.
with

contested as (

    select * from {{ ref('int_records_contested') }}

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
unioned as (

    {% for scope, entities in record_scopes() %}
    {% set last_scope = loop.last %}
    {% for entity in entities %}
    select * from {{ entity }}
    {{ 'union all' if not (last_scope and loop.last) }}
    {% endfor %}
    {% endfor %}

)

select * from unioned
