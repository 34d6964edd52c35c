-- Episodes of a treatment: a supply that is given at most 30 days after the last
-- day covered goes on with the episode before it.
with

supply as (

    select * from {{ ref('asthma__int_supply_by_day') }}

),

with_previous as (

    select
        *,
        lag(last_day) over (
            partition by person_id, treatment order by start_date
        ) as previous_last_day

    from supply

),

numbered as (

    select
        *,
        sum(case
            when
                {{ days_between('previous_last_day', 'start_date') }} <= 30
                then 0
            else 1
        end) over (
            partition by person_id, treatment
            order by start_date
            rows between unbounded preceding and current row
        ) as episode_number

    from with_previous

),

with_start as (

    select
        *,
        min(start_date) over (
            partition by person_id, treatment, episode_number
        ) as episode_start_date

    from numbered

),

episodes as (

    select
        person_id,
        treatment,
        kind,
        episode_start_date,
        max(last_day) as episode_end_date,
        min(first_evidence_date) as first_known_date,
        max(last_evidence_date) as known_date,
        count(*) as fill_count,
        sum(days_supply) as days_supplied,
        sum(greatest(0, {{ days_between(
            'first_day',
            'least(' ~ add_days('last_day', 1) ~ ', '
            ~ add_days('episode_start_date', 365) ~ ')',
        ) }})) as days_covered_365

    from with_start

    group by person_id, treatment, kind, episode_start_date

)

select * from episodes
