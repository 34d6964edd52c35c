-- What a new user had had before the index, as it was known then: diseases of
-- the gut and drugs that bear on bleeding. The day of the index is not counted.
with

conditions as (

    select * from {{ ref('int_condition_occurrences') }}

),

drug_exposures as (

    select * from {{ ref('int_drug_exposures') }}

),

concept_set_members as (

    select * from {{ ref('int_concept_set_members') }}

),

index_dates as (

    select * from {{ ref('gi_bleed__int_index') }}

),

records as (

    select
        person_id,
        condition_concept_id as concept_id,
        event_date,
        known_date

    from conditions

    union all

    select
        person_id,
        drug_concept_id as concept_id,
        event_date,
        known_date

    from drug_exposures

),

known_by_index as (

    select distinct
        index_dates.person_id,
        concept_set_members.concept_set

    from index_dates

    inner join records
        on index_dates.person_id = records.person_id

    inner join concept_set_members
        on records.concept_id = concept_set_members.concept_id

    where
        concept_set_members.concept_set in (
            'peptic_ulcer',
            'esophagitis',
            'ulcerative_colitis',
            'stomach_angiodysplasia',
            'aspirin',
            'other_nsaid'
        )
        and records.known_date <= index_dates.index_date
        and records.event_date < index_dates.index_date

),

baseline_history as (

    select
        person_id,
        count(case when concept_set = 'peptic_ulcer' then 1 end) > 0
            as had_peptic_ulcer,
        count(case when concept_set = 'esophagitis' then 1 end) > 0
            as had_esophagitis,
        count(case when concept_set = 'ulcerative_colitis' then 1 end) > 0
            as had_ulcerative_colitis,
        count(case when concept_set = 'stomach_angiodysplasia' then 1 end) > 0
            as had_stomach_angiodysplasia,
        count(case when concept_set = 'aspirin' then 1 end) > 0
            as used_aspirin,
        count(case when concept_set = 'other_nsaid' then 1 end) > 0
            as used_other_nsaid

    from known_by_index

    group by person_id

)

select * from baseline_history
