-- Evidence starts a new episode when its first day comes gap_days or more after
-- the latest day that any earlier evidence of the person reached; until then it
-- belongs to the episode before it. Steroids that cannot be judged neither start
-- nor stretch an episode; those on one of its days are kept beside it.
with

evidence as (

    select * from {{ ref('asthma__int_exacerbation_evidence') }}

),

gap_rules as (

    select 14 as gap_days

    union all

    select 7 as gap_days

),

ruled as (

    select
        evidence.person_id,
        gap_rules.gap_days,
        evidence.kind,
        evidence.start_date,
        evidence.evidence_date,
        evidence.is_evidence,
        case when evidence.is_evidence then evidence.end_date end as end_date,
        case when evidence.is_evidence then 0 else 1 end as sort_order

    from evidence

    cross join gap_rules

),

with_reach as (

    select
        *,
        max(end_date) over (
            partition by person_id, gap_days
            order by start_date, sort_order
            rows between unbounded preceding and 1 preceding
        ) as reached_date

    from ruled

),

with_starts as (

    select
        *,
        case
            when not is_evidence then 0
            when reached_date is null then 1
            when {{ days_between('reached_date', 'start_date') }} >= gap_days
                then 1
            else 0
        end as starts_episode

    from with_reach

),

numbered as (

    select
        *,
        -- By range: all evidence of one day has one number, whichever came first.
        sum(starts_episode) over (
            partition by person_id, gap_days
            order by start_date
            range between unbounded preceding and current row
        ) as episode_number

    from with_starts

),

with_bounds as (

    select
        person_id,
        gap_days,
        kind,
        start_date,
        evidence_date,
        is_evidence,
        min(case when is_evidence then start_date end) over (
            partition by person_id, gap_days, episode_number
        ) as episode_start_date,
        max(end_date) over (
            partition by person_id, gap_days, episode_number
        ) as episode_end_date

    from numbered

),

episodes as (

    select * from with_bounds

    where start_date <= episode_end_date

)

select * from episodes
