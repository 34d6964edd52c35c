-- Maintenance steroids whose days touch those of an episode: what the person
-- took anyway when it happened. They neither start nor stretch it.
with

episodes as (

    select * from {{ ref('asthma__int_exacerbation_episodes') }}

),

maintenance_steroids as (

    select * from {{ ref('asthma__int_maintenance_steroids') }}

),

episode_days as (

    select distinct
        person_id,
        gap_days,
        episode_start_date,
        episode_end_date

    from episodes

),

counted as (

    select
        episode_days.person_id,
        episode_days.gap_days,
        episode_days.episode_start_date,
        count(*) as maintenance_steroid_count

    from episode_days

    inner join maintenance_steroids
        on
            episode_days.person_id = maintenance_steroids.person_id
            and episode_days.episode_start_date
            <= maintenance_steroids.end_date
            and episode_days.episode_end_date
            >= maintenance_steroids.start_date

    group by
        episode_days.person_id,
        episode_days.gap_days,
        episode_days.episode_start_date

)

select * from counted
