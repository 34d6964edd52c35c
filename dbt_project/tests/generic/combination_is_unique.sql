{# Combinations of the columns that occur more than once. -#}
{% test combination_is_unique(model, columns) %}

with

exceptions as (

    select
        {{ columns | join(', ') }},
        count(*) as row_count

    from {{ model }}

    group by {{ columns | join(', ') }}

    having count(*) > 1

)

select * from exceptions

{% endtest %}
