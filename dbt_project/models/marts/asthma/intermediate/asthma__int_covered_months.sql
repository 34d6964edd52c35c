-- How many days of a month a treatment covers, as known then; all biologics are
-- one treatment. No supply is longer than a year, so thirteen months hold it.
with

supply as (

    select * from {{ ref('asthma__int_supply_as_known') }}

),

numbers as (

    {{ whole_numbers(13) }}

),

spread as (

    select
        supply.person_id,
        case
            when supply.kind = 'biologic' then 'biologic'
            else supply.treatment
        end as treatment,
        supply.first_day,
        supply.last_day,
        {{ month_index('supply.first_day') }} + numbers.number as month_index

    from supply

    inner join numbers
        on
            numbers.number
            <= {{ month_index('supply.last_day') }}
            - {{ month_index('supply.first_day') }}

),

days as (

    select
        person_id,
        treatment,
        month_index,
        {{ days_between(
            'greatest(first_day, ' ~ month_start('month_index') ~ ')',
            'least('
            ~ add_days('last_day', 1)
            ~ ', ' ~ month_start('month_index + 1') ~ ')',
        ) }} as days_covered

    from spread

),

covered_months as (

    select
        person_id,
        month_index,
        sum(case when treatment = 'asthma_ics' then days_covered else 0 end)
            as ics_days,
        sum(case when treatment = 'asthma_laba' then days_covered else 0 end)
            as laba_days,
        sum(case when treatment = 'asthma_lama' then days_covered else 0 end)
            as lama_days,
        sum(case when treatment = 'asthma_ltra' then days_covered else 0 end)
            as ltra_days,
        sum(case
            when treatment = 'asthma_xanthine' then days_covered else 0
        end) as xanthine_days,
        sum(case when treatment = 'biologic' then days_covered else 0 end)
            as biologic_days

    from days

    group by person_id, month_index

)

select * from covered_months
