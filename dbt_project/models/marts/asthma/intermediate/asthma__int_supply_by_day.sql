-- The days that supplies cover, from the day on which they were given; overlapping
-- ones of a treatment are used up one after the other.
with

fills as (

    select * from {{ ref('asthma__int_treatment_fills') }}

),

days as (

    select
        person_id,
        treatment,
        kind,
        start_date,
        max(days_supply) as days_supply,
        min(evidence_date) as first_evidence_date,
        max(evidence_date) as last_evidence_date

    from fills

    group by person_id, treatment, kind, start_date

),

numbered as (

    select
        *,
        {{ days_between("date '1900-01-01'", 'start_date') }} as day_number,
        coalesce(sum(days_supply) over (
            partition by person_id, treatment
            order by start_date
            rows between unbounded preceding and 1 preceding
        ), 0) as supplied_before

    from days

),

shifted as (

    select
        *,
        cast({{ covered_until('day_number', 'start_date') }} as integer)
            as until_number

    from numbered

),

covered as (

    select
        person_id,
        treatment,
        kind,
        start_date,
        days_supply,
        first_evidence_date,
        last_evidence_date,
        {{ add_days("date '1900-01-01'", 'until_number - days_supply') }}
            as first_day,
        {{ add_days("date '1900-01-01'", 'until_number - 1') }} as last_day

    from shifted

)

select * from covered
