{# The CDM's "no matching concept": the code is unknown, the row is kept. -#}
{% macro unmapped_concept_id() -%}
    0
{%- endmacro %}
