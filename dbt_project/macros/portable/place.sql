{# Several columns as one value that is compared by the first, then the next. -#}
{% macro place(columns) -%}
    {{ return(adapter.dispatch('place', 'pumasi')(columns)) }}
{%- endmacro %}

{% macro default__place(columns) -%}
    row({{ columns | join(', ') }})
{%- endmacro %}

{% macro spark__place(columns) -%}
    struct({{ columns | join(', ') }})
{%- endmacro %}
