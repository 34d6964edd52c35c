with

supply_episodes as (

    select * from {{ ref('asthma__int_supply_episodes') }}

),

stays as (

    select * from {{ ref('asthma__int_stays_in_episodes') }}

),

step_episodes as (

    select * from {{ ref('asthma__int_step_episodes') }}

),

persons as (

    select * from {{ ref('int_persons') }}

),

observation_periods as (

    select * from {{ ref('int_observation_periods') }}

),

observed as (

    select distinct
        supply_episodes.person_id,
        supply_episodes.treatment,
        supply_episodes.episode_start_date

    from supply_episodes

    inner join observation_periods
        on
            supply_episodes.person_id = observation_periods.person_id
            and supply_episodes.episode_start_date
            >= observation_periods.observation_period_start_date
            and {{ add_days('supply_episodes.episode_start_date', 364) }}
            <= observation_periods.observation_period_end_date

),

adherence as (

    select
        supply_episodes.*,
        case
            when observed.person_id is not null
                then least(
                    1.0,
                    greatest(
                        0.0,
                        1.0 * (
                            supply_episodes.days_covered_365
                            - coalesce(stays.covered_stay_days, 0)
                        ) / greatest(1, 365 - coalesce(stays.stay_days, 0))
                    )
                )
        end as pdc_365

    from supply_episodes

    left join stays
        on
            supply_episodes.person_id = stays.person_id
            and supply_episodes.treatment = stays.treatment
            and supply_episodes.episode_start_date = stays.episode_start_date

    left join observed
        on
            supply_episodes.person_id = observed.person_id
            and supply_episodes.treatment = observed.treatment
            and supply_episodes.episode_start_date
            = observed.episode_start_date

),

episodes as (

    select
        person_id,
        kind,
        treatment,
        cast(null as integer) as gina_step,
        episode_start_date,
        episode_end_date,
        first_known_date,
        known_date,
        fill_count,
        days_supplied,
        pdc_365,
        case when kind = 'reliever' then fill_count end as saba_canisters

    from adherence

    union all

    select
        person_id,
        'gina_step' as kind,
        'any' as treatment,
        gina_step,
        episode_start_date,
        episode_end_date,
        episode_start_date as first_known_date,
        episode_end_date as known_date,
        cast(null as bigint) as fill_count,
        cast(null as bigint) as days_supplied,
        cast(null as double) as pdc_365,
        cast(null as bigint) as saba_canisters

    from step_episodes

),

treatment_episodes as (

    select
        episodes.person_id,
        persons.split_key,
        episodes.kind,
        episodes.treatment,
        cast(episodes.gina_step as integer) as gina_step,
        episodes.episode_start_date,
        episodes.episode_end_date,
        episodes.first_known_date,
        episodes.known_date,
        cast(episodes.fill_count as integer) as fill_count,
        cast(episodes.days_supplied as integer) as days_supplied,
        cast(episodes.pdc_365 as double) as pdc_365,
        cast(episodes.saba_canisters as integer) as saba_canisters

    from episodes

    inner join persons
        on episodes.person_id = persons.person_id

)

select * from treatment_episodes
