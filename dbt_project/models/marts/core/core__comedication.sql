with

exposures as (

    select * from {{ ref('core__int_comedication_exposures') }}

),

persons as (

    select * from {{ ref('int_persons') }}

),

with_reach as (

    select
        *,
        max(end_date) over (
            partition by person_id, ingredient_concept_id
            order by start_date, end_date
            rows between unbounded preceding and 1 preceding
        ) as reached_date

    from exposures

),

with_starts as (

    select
        *,
        case
            when
                {{ days_between('reached_date', 'start_date') }}
                <= {{ var('era_gap_days') }}
                then 0
            else 1
        end as starts_episode

    from with_reach

),

numbered as (

    select
        *,
        sum(starts_episode) over (
            partition by person_id, ingredient_concept_id
            order by start_date
            range between unbounded preceding and current row
        ) as episode_number

    from with_starts

),

episodes as (

    select
        person_id,
        ingredient_concept_id,
        min(start_date) as episode_start_date,
        max(end_date) as episode_end_date,
        min(evidence_date) as first_known_date,
        max(details_date) as known_date,
        count(*) as exposure_count

    from numbered

    group by person_id, ingredient_concept_id, episode_number

),

comedication as (

    select
        episodes.person_id,
        persons.split_key,
        episodes.ingredient_concept_id,
        episodes.episode_start_date,
        episodes.episode_end_date,
        episodes.first_known_date,
        episodes.known_date,
        episodes.exposure_count

    from episodes

    inner join persons
        on episodes.person_id = persons.person_id

)

select * from comedication
