{# OMOP's type concept "EHR": the record was taken from a hospital's system. -#}
{% macro ehr_type_concept_id() -%}
    32817
{%- endmacro %}
