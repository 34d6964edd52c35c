with

index_dates as (

    select * from {{ ref('gi_bleed__int_index') }}

),

persons as (

    select * from {{ ref('int_persons') }}

),

concept_set_members as (

    select * from {{ ref('int_concept_set_members') }}

),

baseline_counts as (

    select * from {{ ref('gi_bleed__int_baseline_counts') }}

),

baseline_history as (

    select * from {{ ref('gi_bleed__int_baseline_history') }}

),

labels as (

    select * from {{ ref('gi_bleed__int_labels') }}

),

prior_bleeds as (

    select * from {{ ref('gi_bleed__int_prior_bleeds') }}

),

last_contacts as (

    select * from {{ ref('int_last_contacts') }}

),

sexes as (

    select
        concept_id,
        concept_set = 'female' as is_female

    from concept_set_members

    where concept_set in ('female', 'male')

),

new_users as (

    select
        index_dates.person_id,
        persons.split_key,

        index_dates.index_date,
        index_dates.drug,
        index_dates.drug = 'celecoxib' as is_celecoxib,
        index_dates.both_drugs_on_index,

        persons.gender_concept_id as sex_concept_id,
        sexes.is_female,
        {{ completed_years(
            'persons.year_of_birth',
            'persons.month_of_birth',
            'index_dates.index_date'
        ) }} as age_at_index,
        coalesce(baseline_counts.prior_observation_days, 0)
            as prior_observation_days,
        prior_bleeds.person_id is not null as has_prior_gi_bleed,

        coalesce(baseline_counts.conditions_365, 0) as conditions_365,
        coalesce(baseline_counts.drug_exposures_365, 0) as drug_exposures_365,
        coalesce(baseline_counts.visits_365, 0) as visits_365,
        coalesce(baseline_history.had_peptic_ulcer, false)
            as had_peptic_ulcer,
        coalesce(baseline_history.had_esophagitis, false) as had_esophagitis,
        coalesce(baseline_history.had_ulcerative_colitis, false)
            as had_ulcerative_colitis,
        coalesce(baseline_history.had_stomach_angiodysplasia, false)
            as had_stomach_angiodysplasia,
        coalesce(baseline_history.used_aspirin, false) as used_aspirin,
        coalesce(baseline_history.used_other_nsaid, false)
            as used_other_nsaid,

        labels.has_gi_bleed_365,
        labels.gi_bleed_date,
        labels.days_to_gi_bleed,
        labels.has_died_365,
        last_contacts.last_contact_date

    from index_dates

    inner join persons
        on index_dates.person_id = persons.person_id

    inner join labels
        on index_dates.person_id = labels.person_id

    left join sexes
        on persons.gender_concept_id = sexes.concept_id

    left join baseline_counts
        on index_dates.person_id = baseline_counts.person_id

    left join baseline_history
        on index_dates.person_id = baseline_history.person_id

    left join prior_bleeds
        on index_dates.person_id = prior_bleeds.person_id

    left join last_contacts
        on index_dates.person_id = last_contacts.person_id

)

select * from new_users
