-- Episodes of one GINA step: months in a row on whose first day the 90 days before
-- give the same step. Months without any drug are none.
with

months as (

    select * from {{ ref('asthma__int_months_before') }}

),

steps as (

    select
        person_id,
        month_index,
        index_date,
        {{ gina_step(
            'ics_days_3m',
            'laba_days_3m',
            'lama_days_3m',
            'ltra_days_3m',
            'xanthine_days_3m',
            'biologic_days_3m',
            'maintenance_steroids_3m',
            'saba_canisters_3m',
        ) }} as gina_step

    from months

),

numbered as (

    select
        *,
        month_index - row_number() over (
            partition by person_id, gina_step order by month_index
        ) as run_number

    from steps

    where gina_step > 0

),

step_episodes as (

    select
        person_id,
        gina_step,
        min(index_date) as episode_start_date,
        {{ add_days(month_start('max(month_index) + 1'), -1) }}
            as episode_end_date

    from numbered

    group by person_id, gina_step, run_number

)

select * from step_episodes
