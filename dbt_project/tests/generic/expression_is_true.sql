{#
    Rows for which the expression is false. Null passes: what is unknown is no
    violation, and not_null says so where it must be known.
-#}
{% test expression_is_true(model, expression, column_name=none) %}

with

exceptions as (

    select *

    from {{ model }}

    where not ({{ expression }})

)

select * from exceptions

{% endtest %}
