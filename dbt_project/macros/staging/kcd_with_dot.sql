{# A code of KCD in capitals with a dot after its third character, as OMOP has it. -#}
{% macro kcd_with_dot(code) -%}
    regexp_replace(
        upper(replace({{ code }}, '.', '')), '^(.{3})(.+)$', '\1.\2'
    )
{%- endmacro %}
