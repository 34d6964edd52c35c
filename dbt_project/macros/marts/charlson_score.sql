{#
    The Charlson score at an index, as an aggregate over the rows of core__charlson
    of a person: a category counts if it was known before the index and the one
    that outranks it was not. `without` leaves categories out: chronic_pulmonary in
    studies of asthma, where everybody has it.
-#}
{% macro charlson_score(weight, charlson, index_date, without=[]) -%}
    coalesce(sum(case
        when
            {{ charlson }}.known_date < {{ index_date }}
            and (
                {{ charlson }}.outranked_date is null
                or {{ charlson }}.outranked_date >= {{ index_date }}
            )
            {%- for category in without %}
            and {{ charlson }}.category != '{{ category }}'
            {%- endfor %}
            then {{ charlson }}.{{ weight }}
    end), 0)
{%- endmacro %}
