with

indexes as (

    select * from {{ ref('asthma__int_risk_index') }}

),

persons as (

    select * from {{ ref('int_persons') }}

),

concept_set_members as (

    select * from {{ ref('int_concept_set_members') }}

),

korean_claims as (

    select * from {{ ref('asthma__int_korean_claims') }}

),

first_comorbidities as (

    select * from {{ ref('asthma__int_first_comorbidities') }}

),

charlson as (

    select * from {{ ref('asthma__int_charlson') }}

),

outcomes as (

    select * from {{ ref('asthma__int_risk_outcomes') }}

),

sexes as (

    select
        concept_id,
        concept_set = 'female' as is_female

    from concept_set_members

    where concept_set in ('female', 'male')

),

features as (

    select
        indexes.person_id,
        persons.split_key,
        indexes.index_date,
        extract(month from indexes.index_date) = persons.split_key % 12 + 1
            as is_yearly_index,

        persons.gender_concept_id as sex_concept_id,
        sexes.is_female,
        {{ completed_years(
            'persons.year_of_birth',
            'persons.month_of_birth',
            'indexes.index_date'
        ) }} as age_at_index,
        cast(extract(month from indexes.index_date) as integer)
            as month_of_year,
        cast(indexes.prior_observation_days as integer)
            as prior_observation_days,
        coalesce(korean_claims.korean_claims_date < indexes.index_date, false)
            as is_korean_claims,

        cast(indexes.visits_12m as integer) as visits_12m,
        cast(indexes.attacks_3m as integer) as attacks_3m,
        cast(indexes.attacks_6m as integer) as attacks_6m,
        cast(indexes.attacks_12m as integer) as attacks_12m,
        cast(indexes.attacks_24m as integer) as attacks_24m,
        cast(indexes.acute_visits_12m as integer) as acute_visits_12m,
        cast({{ days_between(
            'indexes.last_attack_date', 'indexes.index_date'
        ) }} as integer) as days_since_attack,

        cast(indexes.oral_steroids_12m as integer) as oral_steroids_12m,
        cast(indexes.oral_steroid_days_12m as integer)
            as oral_steroid_days_12m,
        cast(indexes.steroid_injections_12m as integer)
            as steroid_injections_12m,
        indexes.maintenance_steroids_6m > 0 as uses_maintenance_steroid,

        {{ gina_step(
            'indexes.ics_days_3m',
            'indexes.laba_days_3m',
            'indexes.lama_days_3m',
            'indexes.ltra_days_3m',
            'indexes.xanthine_days_3m',
            'indexes.biologic_days_3m',
            'indexes.maintenance_steroids_3m',
            'indexes.saba_canisters_3m',
        ) }} as gina_step,
        cast(indexes.saba_canisters_12m as integer) as saba_canisters_12m,
        indexes.saba_canisters_12m >= 3 as overuses_saba,
        indexes.ics_fills_12m > 0 as uses_ics,
        indexes.biologic_days_3m >= 28 as uses_biologic,
        cast(case
            when indexes.fills_12m > 0
                then 1.0 * indexes.controller_fills_12m / indexes.fills_12m
        end as double) as controller_to_total,
        cast(least(
            1.0,
            greatest(
                0.0,
                1.0 * (
                    indexes.ics_days_12m - indexes.covered_stay_days_12m
                ) / greatest(1, indexes.days_12m - indexes.stay_days_12m)
            )
        ) as double) as ics_pdc_12m,

        indexes.last_eosinophils,
        indexes.highest_eosinophils,
        indexes.last_feno,
        indexes.last_fev1_percent,
        indexes.last_fev1_fvc,
        indexes.last_total_ige,
        indexes.last_act_score,
        indexes.last_body_mass_index,
        indexes.last_eosinophils is not null as eosinophils_are_known,
        coalesce(indexes.last_eosinophils >= 300, false)
            as eosinophils_of_300,
        indexes.last_feno is not null as feno_is_known,
        coalesce(indexes.last_feno >= 25, false) as feno_of_25,
        indexes.last_fev1_percent is not null as fev1_is_known,
        coalesce(indexes.last_fev1_percent < 80, false) as fev1_below_80,
        indexes.last_act_score is not null as act_is_known,
        coalesce(indexes.last_act_score <= 19, false) as act_of_19_or_less,
        {% for comorbidity in asthma_comorbidities() %}
        coalesce(
            first_comorbidities.{{ comorbidity }}_date < indexes.index_date,
            false
        ) as has_{{ comorbidity }},
        {% endfor %}
        cast(coalesce(charlson.charlson_2011, 0) as integer) as charlson_2011,

        cast(outcomes.exacerbations_12m as integer) as exacerbations_12m,
        outcomes.has_exacerbation_12m,
        outcomes.has_acute_exacerbation_12m,
        outcomes.has_died_12m

    from indexes

    inner join persons
        on indexes.person_id = persons.person_id

    inner join outcomes
        on
            indexes.person_id = outcomes.person_id
            and indexes.index_date = outcomes.index_date

    left join sexes
        on persons.gender_concept_id = sexes.concept_id

    left join korean_claims
        on indexes.person_id = korean_claims.person_id

    left join first_comorbidities
        on indexes.person_id = first_comorbidities.person_id

    left join charlson
        on
            indexes.person_id = charlson.person_id
            and indexes.index_date = charlson.index_date

)

select * from features
