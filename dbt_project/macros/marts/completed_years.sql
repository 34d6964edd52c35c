{#
    Age in completed years on a date, from year and month of birth: the birthday
    counts as reached when its month begins. A missing month counts as July, the
    middle of the year; a missing year gives null.
-#}
{% macro completed_years(birth_year, birth_month, date) -%}
    cast(
        extract(year from {{ date }}) - {{ birth_year }}
        - case
            when extract(month from {{ date }}) < coalesce({{ birth_month }}, 7)
                then 1
            else 0
        end as integer
    )
{%- endmacro %}
