{#
    The one fate of a row, from the decision of the merge and the rule that
    applies. A row whose person, or a visit or record that it needs, is not delivered
    waits in quarantine; any other rule keeps the row out of OMOP for good.
-#}
{% macro settled_fate(merge_fate='merge_fate', rule='rule') -%}
    case
        when {{ merge_fate }} <> 'current' then {{ merge_fate }}
        when {{ rule }} in (
            'person_not_delivered',
            'visit_not_delivered',
            'record_not_delivered'
        )
            then 'quarantined'
        when {{ rule }} is not null then 'not_mapped'
        else 'in_omop'
    end
{%- endmacro %}
