-- What our base cohort asks for: a pair of diagnosis days, a controller, and
-- age 12. Whoever has the first two before that age enters on turning 12, if
-- observed then; else on the first day after it on which a diagnosis or a
-- controller becomes known.
with

diagnosis_pairs as (

    select * from {{ ref('asthma__int_diagnosis_pairs') }}

),

first_controllers as (

    select * from {{ ref('asthma__int_first_controllers') }}

),

diagnosis_days as (

    select * from {{ ref('asthma__int_diagnosis_days') }}

),

fills as (

    select * from {{ ref('asthma__int_drug_fills') }}

),

observed_birthdays as (

    select * from {{ ref('asthma__int_observed_birthdays') }}

),

persons as (

    select * from {{ ref('int_persons') }}

),

criteria_met as (

    select
        diagnosis_pairs.person_id,
        greatest(
            diagnosis_pairs.pair_date, first_controllers.controller_date
        ) as met_date

    from diagnosis_pairs

    inner join first_controllers
        on diagnosis_pairs.person_id = first_controllers.person_id

),

candidate_days as (

    select
        person_id,
        evidence_date as candidate_date

    from diagnosis_days

    union all

    select
        person_id,
        evidence_date as candidate_date

    from fills

    where is_controller

    union all

    select
        person_id,
        birthday as candidate_date

    from observed_birthdays

    where age_in_years = 12

),

ages as (

    select
        candidate_days.person_id,
        candidate_days.candidate_date,
        {{ completed_years(
            'persons.year_of_birth',
            'persons.month_of_birth',
            'candidate_days.candidate_date'
        ) }} as age_in_years

    from candidate_days

    inner join criteria_met
        on
            candidate_days.person_id = criteria_met.person_id
            and candidate_days.candidate_date >= criteria_met.met_date

    inner join persons
        on candidate_days.person_id = persons.person_id

),

entries as (

    select
        person_id,
        min(candidate_date) as entry_date,
        min(age_in_years) as age_at_entry

    from ages

    where age_in_years >= 12

    group by person_id

)

select * from entries
