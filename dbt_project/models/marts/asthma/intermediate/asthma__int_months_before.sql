-- What was known before the first day of each month of the last 3, 6, 12 and 24
-- months, and what begins in the 12 months from that day on. Frames of rows are
-- frames of months, for no month is left out.
with

months as (

    select * from {{ ref('asthma__int_months') }}

),

looked_back as (

    select
        person_id,
        month_index,
        month_date as index_date,
        {{ days_between(month_start('month_index - 12'), 'month_date') }}
            as days_12m,

        max(last_visit_date) over ever as last_visit_date,
        sum(visits) over last_12 as visits_12m,

        sum(attacks) over last_3 as attacks_3m,
        sum(attacks) over last_6 as attacks_6m,
        sum(attacks) over last_12 as attacks_12m,
        sum(attacks) over last_24 as attacks_24m,
        sum(acute_visits) over last_12 as acute_visits_12m,
        max(last_attack_date) over ever as last_attack_date,
        max(last_attack_end_date) over ever as last_attack_end_date,

        sum(oral_steroids) over last_12 as oral_steroids_12m,
        sum(oral_steroid_days) over last_12 as oral_steroid_days_12m,
        sum(steroid_injections) over last_12 as steroid_injections_12m,
        sum(maintenance_steroids) over last_3 as maintenance_steroids_3m,
        sum(maintenance_steroids) over last_6 as maintenance_steroids_6m,

        sum(saba_canisters) over last_12 as saba_canisters_12m,
        sum(ics_fills) over last_12 as ics_fills_12m,
        sum(controller_fills) over last_12 as controller_fills_12m,
        sum(controller_fills + saba_canisters) over last_12 as fills_12m,

        sum(ics_days) over last_3 as ics_days_3m,
        sum(laba_days) over last_3 as laba_days_3m,
        sum(lama_days) over last_3 as lama_days_3m,
        sum(ltra_days) over last_3 as ltra_days_3m,
        sum(xanthine_days) over last_3 as xanthine_days_3m,
        sum(biologic_days) over last_3 as biologic_days_3m,
        sum(saba_canisters) over last_3 as saba_canisters_3m,

        sum(ics_days) over last_12 as ics_days_12m,
        sum(stay_days) over last_12 as stay_days_12m,
        sum(covered_stay_days) over last_12 as covered_stay_days_12m,

        {{ last_known('eosinophils') }} over last_24 as last_eosinophils,
        max(highest_eosinophils) over last_24 as highest_eosinophils,
        {{ last_known('feno') }} over last_12 as last_feno,
        {{ last_known('fev1_percent') }} over last_12 as last_fev1_percent,
        {{ last_known('fev1_fvc') }} over last_12 as last_fev1_fvc,
        {{ last_known('total_ige') }} over last_12 as last_total_ige,
        {{ last_known('act_score') }} over last_12 as last_act_score,
        {{ last_known('body_mass_index') }} over last_24
            as last_body_mass_index,

        sum(exacerbations) over next_12 as exacerbations_next_12m,
        sum(acute_exacerbations) over next_12 as acute_exacerbations_next_12m

    from months

    window
        ever as (
            partition by person_id order by month_index
            rows between unbounded preceding and 1 preceding
        ),
        last_3 as (
            partition by person_id order by month_index
            rows between 3 preceding and 1 preceding
        ),
        last_6 as (
            partition by person_id order by month_index
            rows between 6 preceding and 1 preceding
        ),
        last_12 as (
            partition by person_id order by month_index
            rows between 12 preceding and 1 preceding
        ),
        last_24 as (
            partition by person_id order by month_index
            rows between 24 preceding and 1 preceding
        ),
        next_12 as (
            partition by person_id order by month_index
            rows between current row and 11 following
        )

)

select * from looked_back
