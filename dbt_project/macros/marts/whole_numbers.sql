{# The whole numbers from 0 up to, and without, a limit, as a query. -#}
{% macro whole_numbers(limit) -%}
    {% for number in range(limit) -%}
    select {{ number }} as number{{ ' union all' if not loop.last }}
    {% endfor %}
{%- endmacro %}
