{#
    eGFR in mL/min/1.73 m2 by CKD-EPI 2021, without race (Inker, NEJM 2021;385:1737):
    142 x min(Scr/k, 1)^a x max(Scr/k, 1)^-1.200 x 0.9938^age x 1.012 if female, with
    k = 0.7 and a = -0.241 in women, 0.9 and -0.302 in men. Creatinine in mg/dL. Null
    below the age of 18 (the equation is one of adults), without a sex, and for a
    creatinine that is not above 0.
-#}
{% macro ckd_epi_2021(creatinine, age, is_female) -%}
    case
        when {{ age }} >= 18 and {{ creatinine }} > 0 and {{ is_female }}
            then
                142 * 1.012 * power(0.9938, {{ age }})
                * power(least({{ creatinine }} / 0.7, 1), -0.241)
                * power(greatest({{ creatinine }} / 0.7, 1), -1.200)
        when {{ age }} >= 18 and {{ creatinine }} > 0 and not {{ is_female }}
            then
                142 * power(0.9938, {{ age }})
                * power(least({{ creatinine }} / 0.9, 1), -0.302)
                * power(greatest({{ creatinine }} / 0.9, 1), -1.200)
    end
{%- endmacro %}
