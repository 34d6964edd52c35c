{#
    The query of a table that has no source: every column of the model's contract,
    and no row.
-#}
{% macro no_rows() -%}
    select
        {% for column in model.columns.values() -%}
        cast(null as {{ column.data_type }}) as
        {{ adapter.quote(column.name) if column.quote else column.name }}
        {{- ',' if not loop.last }}
        {% endfor %}
    where false
{%- endmacro %}
