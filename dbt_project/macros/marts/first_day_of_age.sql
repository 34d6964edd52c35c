{#
    The first day on which completed_years gives an age: the first of the month of
    that birthday, of July where the month is missing. The day of birth is not
    known, so a person born late in the month is up to thirty days younger. A
    year or a month that cannot be is a finding of the checks and must not break
    the build: such a year gives null, as a missing one does, such a month July.
-#}
{% macro first_day_of_age(birth_year, birth_month, age) -%}
    case
        when {{ birth_year }} between 1 and 9000
            then make_date(
                {{ birth_year }} + {{ age }},
                case
                    when {{ birth_month }} between 1 and 12 then {{ birth_month }}
                    else 7
                end,
                1
            )
    end
{%- endmacro %}
