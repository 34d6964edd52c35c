{# The name of the rule behind a decision of the merge; null for a current row. -#}
{% macro merge_rule(merge_fate='merge_fate') -%}
    case {{ merge_fate }}
        when 'duplicate' then 'same_content'
        when 'superseded' then 'later_version'
        when 'withdrawn' then 'absent_from_full_delivery'
    end
{%- endmacro %}
