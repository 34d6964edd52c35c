-- Our base cohort excludes chronic obstructive lung disease in smokers of 40
-- and over. Who smokes is not derivable: the answers of the smoking status
-- question have no verified concepts. So who has the disease by the day of
-- entry and is 40 by then cannot be judged. After entry the first day on which
-- both hold censors, whether the person smokes or not: a diagnosis at 40 or
-- over, or turning 40 with one, if observed then.
with

entries as (

    select * from {{ ref('asthma__int_base_cohort_entry') }}

),

copd_diagnoses as (

    select * from {{ ref('asthma__int_copd_diagnoses') }}

),

observed_birthdays as (

    select * from {{ ref('asthma__int_observed_birthdays') }}

),

persons as (

    select * from {{ ref('int_persons') }}

),

first_diagnoses as (

    select
        person_id,
        min(evidence_date) as first_evidence_date

    from copd_diagnoses

    group by person_id

),

candidate_days as (

    select
        person_id,
        evidence_date as candidate_date

    from copd_diagnoses

    union all

    select
        observed_birthdays.person_id,
        observed_birthdays.birthday as candidate_date

    from observed_birthdays

    inner join first_diagnoses
        on
            observed_birthdays.person_id = first_diagnoses.person_id
            and observed_birthdays.birthday
            > first_diagnoses.first_evidence_date

    where observed_birthdays.age_in_years = 40

),

entries_and_candidates as (

    select
        entries.person_id,
        entries.entry_date,
        entries.age_at_entry,
        candidate_days.candidate_date,
        {{ completed_years(
            'persons.year_of_birth',
            'persons.month_of_birth',
            'candidate_days.candidate_date'
        ) }} as age_in_years

    from entries

    inner join candidate_days
        on entries.person_id = candidate_days.person_id

    inner join persons
        on entries.person_id = persons.person_id

),

judged as (

    select
        person_id,
        max(case
            when candidate_date <= entry_date and age_at_entry >= 40 then 1
            else 0
        end) = 1 as smoking_decides,
        min(case
            when candidate_date > entry_date and age_in_years >= 40
                then candidate_date
        end) as copd_censor_date

    from entries_and_candidates

    group by person_id

)

select * from judged
