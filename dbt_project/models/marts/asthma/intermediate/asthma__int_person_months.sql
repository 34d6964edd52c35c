-- The calendar of each person with any asthma: every month from the first known
-- visit to a year after the last visit or exacerbation, none left out, so that a
-- row's neighbours are its neighbouring months.
with

visit_months as (

    select * from {{ ref('asthma__int_visit_months') }}

),

outcome_months as (

    select * from {{ ref('asthma__int_outcome_months') }}

),

bounds as (

    select
        visit_months.person_id,
        min(visit_months.month_index) as first_month,
        max(visit_months.month_index) as last_visit_month

    from visit_months

    group by visit_months.person_id

),

last_outcomes as (

    select
        person_id,
        max(month_index) as last_outcome_month

    from outcome_months

    group by person_id

),

numbers as (

    {{ whole_numbers(48) }}

),

months as (

    select 48 * tens.number + ones.number + 12 * 1900 as month_index

    from numbers as tens

    cross join numbers as ones

),

person_months as (

    select
        bounds.person_id,
        months.month_index

    from bounds

    left join last_outcomes
        on bounds.person_id = last_outcomes.person_id

    inner join months
        on
            bounds.first_month <= months.month_index
            and greatest(
                bounds.last_visit_month,
                coalesce(
                    last_outcomes.last_outcome_month, bounds.last_visit_month
                )
            ) + 12 >= months.month_index

)

select * from person_months
