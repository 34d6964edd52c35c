-- The days that supplies cover, as they were known: a supply counts from the day
-- on which it is known, and after those that were known before it. So what becomes
-- known later moves no day that was covered already.
with

fills as (

    select * from {{ ref('asthma__int_treatment_fills') }}

),

numbered as (

    select
        *,
        {{ days_between("date '1900-01-01'", 'evidence_date') }} as day_number,
        coalesce(sum(days_supply) over (
            partition by person_id, treatment
            order by evidence_date, start_date
            rows between unbounded preceding and 1 preceding
        ), 0) as supplied_before

    from fills

),

shifted as (

    select
        person_id,
        treatment,
        kind,
        days_supply,
        cast(
            {{ covered_until('day_number', 'evidence_date, start_date') }}
            as integer
        ) as until_number

    from numbered

),

covered as (

    select
        person_id,
        treatment,
        kind,
        {{ add_days("date '1900-01-01'", 'until_number - days_supply') }}
            as first_day,
        {{ add_days("date '1900-01-01'", 'until_number - 1') }} as last_day

    from shifted

)

select * from covered
