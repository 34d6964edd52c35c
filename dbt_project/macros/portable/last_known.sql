{# The last value of a window that is not null; follow it with `over`. -#}
{% macro last_known(value) -%}
    {{ return(adapter.dispatch('last_known', 'pumasi')(value)) }}
{%- endmacro %}

{% macro default__last_known(value) -%}
    last_value({{ value }} ignore nulls)
{%- endmacro %}

{% macro spark__last_known(value) -%}
    last_value({{ value }}, true)
{%- endmacro %}
