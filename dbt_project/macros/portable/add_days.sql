{# A date, some days later; a date, not a timestamp, on every engine. -#}
{% macro add_days(date, days) -%}
    {{ return(adapter.dispatch('add_days', 'pumasi')(date, days)) }}
{%- endmacro %}

{% macro default__add_days(date, days) -%}
    ({{ date }} + cast({{ days }} as integer))
{%- endmacro %}

{% macro spark__add_days(date, days) -%}
    date_add({{ date }}, cast({{ days }} as int))
{%- endmacro %}
