{#
    One CTE for each received entity, of the select that the call's block gives for
    scope and entity, and `unioned`, all of them: for models that put the records
    of every entity into one table.
-#}
{% macro each_received_entity() -%}
    {%- set entities = [] -%}
    {%- for scope, together in record_scopes() -%}
        {%- for entity in together -%}
            {%- do entities.append((scope, entity)) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- for scope, entity in entities %}
{{ entity }} as (
{{ caller(scope, entity) }}
),

{% endfor -%}
unioned as (

{% for scope, entity in entities %}
    select * from {{ entity }}
    {{ 'union all' if not loop.last }}
{% endfor %}
)
{%- endmacro %}
