-- Our base cohort excludes chronic obstructive lung disease in smokers of 40
-- and over. Who smokes is not derivable: the answers of the smoking status
-- question have no verified concepts. So who has the disease by the day of
-- entry and is 40 by then cannot be judged, and a diagnosis that becomes known
-- after entry at 40 or over censors whether the person smokes or not.
with

entries as (

    select * from {{ ref('asthma__int_base_cohort_entry') }}

),

copd_diagnoses as (

    select * from {{ ref('asthma__int_copd_diagnoses') }}

),

persons as (

    select * from {{ ref('int_persons') }}

),

diagnoses_and_entries as (

    select
        entries.person_id,
        entries.entry_date,
        entries.age_at_entry,
        copd_diagnoses.evidence_date,
        {{ completed_years(
            'persons.year_of_birth',
            'persons.month_of_birth',
            'copd_diagnoses.evidence_date'
        ) }} as age_at_diagnosis

    from entries

    inner join copd_diagnoses
        on entries.person_id = copd_diagnoses.person_id

    inner join persons
        on entries.person_id = persons.person_id

),

judged as (

    select
        person_id,
        max(case
            when evidence_date <= entry_date and age_at_entry >= 40 then 1
            else 0
        end) = 1 as smoking_decides,
        min(case
            when evidence_date > entry_date and age_at_diagnosis >= 40
                then evidence_date
        end) as copd_censor_date

    from diagnoses_and_entries

    group by person_id

)

select * from judged
