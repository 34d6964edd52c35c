{#
    Supplies that overlap are used up one after the other (PDC, clinical fact sheet
    3.2). Of rows of one person and treatment in the order of `dates`, the day after
    the last that the current supply covers, as a day number: with C the running sum
    of days supplied, it is C + max(day - C before), over all supplies so far.
    Needs a column supplied_before, the running sum without the current row.
-#}
{% macro covered_until(day_number, order_by) -%}
    supplied_before + days_supply + max({{ day_number }} - supplied_before) over (
        partition by person_id, treatment
        order by {{ order_by }}
        rows between unbounded preceding and current row
    )
{%- endmacro %}
