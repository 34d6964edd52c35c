{# The first day on which a record has both happened and is known. -#}
{% macro evidence_date(record) -%}
    greatest({{ record }}.event_date, {{ record }}.known_date)
{%- endmacro %}
