{#
    The GINA step (2024) of the regimen of a window of 90 days: the highest of which
    every part covers 28 days or more of it. The dose inhaled in a day is not in the
    CDM, so that steps 3 and 4 of ICS-LABA cannot be told apart by dose: without
    another controller it is 3, with one 4. A biologic, a long-acting muscarinic
    antagonist or maintenance steroid beside an inhaled steroid is step 5; a steroid
    alone 2; a reliever or another controller alone 1; nothing 0.
-#}
{% macro gina_step(ics, laba, antimuscarinic, ltra, xanthine, biologic, maintenance, saba) -%}
    case
        when {{ biologic }} >= 28 then 5
        when {{ ics }} >= 28 and {{ maintenance }} > 0 then 5
        when {{ ics }} >= 28 and {{ laba }} >= 28 and {{ antimuscarinic }} >= 28 then 5
        when
            {{ ics }} >= 28 and {{ laba }} >= 28
            and ({{ ltra }} >= 28 or {{ xanthine }} >= 28)
            then 4
        when {{ ics }} >= 28 and {{ laba }} >= 28 then 3
        when {{ ics }} >= 28 then 2
        when
            {{ laba }} >= 28 or {{ antimuscarinic }} >= 28 or {{ ltra }} >= 28
            or {{ xanthine }} >= 28 or {{ saba }} > 0
            then 1
        else 0
    end
{%- endmacro %}
