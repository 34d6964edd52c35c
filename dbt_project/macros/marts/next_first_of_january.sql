{# The first 1 January after a date. -#}
{% macro next_first_of_january(date) -%}
    make_date(cast(extract(year from {{ date }}) + 1 as integer), 1, 1)
{%- endmacro %}
