{# Months since year 0: 2020-03-15 is 2020 * 12 + 2. -#}
{% macro month_index(date) -%}
    cast(extract(year from {{ date }}) * 12 + extract(month from {{ date }}) - 1 as integer)
{%- endmacro %}

{# The first day of a month that month_index counts. -#}
{% macro month_start(month_index) -%}
    make_date(
        cast(floor(({{ month_index }}) / 12.0) as integer),
        cast(({{ month_index }}) % 12 + 1 as integer),
        1
    )
{%- endmacro %}
