-- Records that came more than once. Only these have their contents compared,
-- which is what costs: a single clean delivery has none.
with

{% for scope, entities in record_scopes() %}
{{ entities | join('_and_') }} as (

    {% for entity in entities %}
    select
        source_table,
        record_id

    from {{ ref('int_' ~ entity ~ '_received') }}

    {% if scope == 'events' %}
    where part = 0
    {% endif %}
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

{% endfor %}
{% for scope, entities in record_scopes() %}
contested_{{ entities | join('_and_') }} as (

    select
        '{{ scope }}' as scope,
        source_table,
        record_id

    from {{ entities | join('_and_') }}

    group by
        source_table,
        record_id

    having count(*) > 1

),

{% endfor %}
unioned as (

    {% for scope, entities in record_scopes() %}
    select * from contested_{{ entities | join('_and_') }}
    {{ 'union all' if not loop.last }}
    {% endfor %}

)

select * from unioned
