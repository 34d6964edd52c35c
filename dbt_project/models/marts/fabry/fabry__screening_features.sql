with

indexes as (

    select * from {{ ref('fabry__int_index') }}

),

persons as (

    select * from {{ ref('int_persons') }}

),

concept_set_members as (

    select * from {{ ref('int_concept_set_members') }}

),

first_visits as (

    select * from {{ ref('core__int_first_visits') }}

),

first_features as (

    select * from {{ ref('fabry__int_first_features') }}

),

history as (

    select * from {{ ref('fabry__int_history') }}

),

visit_counts as (

    select * from {{ ref('fabry__int_visit_counts') }}

),

charlson as (

    select * from {{ ref('fabry__int_charlson') }}

),

suspicion as (

    select * from {{ ref('fabry__int_suspicion') }}

),

labels as (

    select * from {{ ref('fabry__int_labels') }}

),

sexes as (

    select
        concept_id,
        concept_set = 'female' as is_female

    from concept_set_members

    where concept_set in ('female', 'male')

),

had as (

    select
        {% for feature in fabry_features() %}
        coalesce(
            first_features.{{ feature }}_date < indexes.index_date, false
        ) as had_{{ feature }},
        {% endfor %}
        indexes.person_id,
        indexes.gate,
        indexes.index_date

    from indexes

    left join first_features
        on indexes.person_id = first_features.person_id

),

screened as (

    select
        had.person_id,
        persons.split_key,
        had.gate,
        had.index_date,

        had.gate = 'lvh' as is_lvh_gate,
        had.gate = 'hcm' as is_hcm_gate,
        had.gate = 'kidney' as is_kidney_gate,
        had.gate = 'dialysis' as is_dialysis_gate,
        had.gate = 'stroke' as is_stroke_gate,
        had.gate = 'pain' as is_pain_gate,

        persons.gender_concept_id as sex_concept_id,
        sexes.is_female,
        {{ completed_years(
            'persons.year_of_birth',
            'persons.month_of_birth',
            'had.index_date'
        ) }} as age_at_index,
        cast({{ days_between(
            'first_visits.first_visit_date', 'had.index_date'
        ) }} as integer) as prior_observation_days,
        cast(visit_counts.visits_365 as integer) as visits_365,
        {% for feature in fabry_features() %}
        had.had_{{ feature }},
        {% endfor %}
        cast(
            {% for features in fabry_organ_features().values() %}
            greatest(
                {% for feature in features %}
                cast(had.had_{{ feature }} as integer),
                {% endfor %}
                0
            ){{ ' +' if not loop.last }}
            {% endfor %}
            as integer
        ) as organ_systems,
        cast(coalesce(charlson.charlson_2011, 0) as integer) as charlson_2011,

        history.last_egfr,
        history.lowest_egfr,
        history.egfr_slope_per_year,
        history.highest_upcr,
        history.highest_uacr,
        history.thickest_wall,
        history.highest_lv_mass_index,
        history.shortest_pr_interval,
        history.highest_nt_probnp,
        coalesce(history.last_egfr < 60, false) as had_egfr_below_60,
        coalesce(
            history.highest_upcr > 500 or history.highest_uacr > 300, false
        ) as had_albuminuria_a3,
        coalesce(history.thickest_wall >= 13, false) as had_wall_of_13_mm,
        coalesce(history.shortest_pr_interval < 120, false)
            as had_short_pr_interval,

        suspicion.suspicion_date,
        coalesce(
            suspicion.suspicion_date
            < {{ add_days('had.index_date', 180) }},
            false
        ) as is_suspected_by_180,
        coalesce(
            suspicion.suspicion_date
            < {{ add_days('had.index_date', 365) }},
            false
        ) as is_suspected_by_365,

        labels.has_fabry_5y,
        labels.has_died_5y

    from had

    inner join persons
        on had.person_id = persons.person_id

    inner join first_visits
        on had.person_id = first_visits.person_id

    inner join history
        on
            had.person_id = history.person_id
            and had.index_date = history.index_date

    inner join visit_counts
        on
            had.person_id = visit_counts.person_id
            and had.index_date = visit_counts.index_date

    inner join labels
        on
            had.person_id = labels.person_id
            and had.index_date = labels.index_date

    left join sexes
        on persons.gender_concept_id = sexes.concept_id

    left join charlson
        on
            had.person_id = charlson.person_id
            and had.index_date = charlson.index_date

    left join suspicion
        on had.person_id = suspicion.person_id

)

select * from screened
