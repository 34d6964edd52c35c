{#
    Leaves in the warehouse which dbt run last wrote to it, whoever started it:
    a candidate is made only of what one whole run left.
-#}
{% macro stamp_run() -%}
    {% if flags.WHICH in ('build', 'run', 'seed', 'snapshot', 'clone', 'retry') %}
        create or replace table main.last_dbt_run as
        select '{{ invocation_id }}' as invocation_id
    {% endif %}
{%- endmacro %}
