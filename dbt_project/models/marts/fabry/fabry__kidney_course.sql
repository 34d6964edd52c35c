with

kidney_values as (

    select * from {{ ref('fabry__int_kidney_values') }}

),

persons as (

    select * from {{ ref('int_persons') }}

),

concept_set_members as (

    select * from {{ ref('int_concept_set_members') }}

),

near_admission as (

    select * from {{ ref('fabry__int_days_near_admission') }}

),

end_stage as (

    select * from {{ ref('fabry__int_end_stage_kidney_disease') }}

),

deaths as (

    select * from {{ ref('int_deaths') }}

),

sexes as (

    select
        concept_id,
        concept_set = 'female' as is_female

    from concept_set_members

    where concept_set in ('female', 'male')

),

aged as (

    select
        kidney_values.person_id,
        persons.split_key,
        kidney_values.event_date,
        kidney_values.known_date,
        sexes.is_female,
        kidney_values.creatinine,
        kidney_values.upcr,
        kidney_values.uacr,
        {{ completed_years(
            'persons.year_of_birth',
            'persons.month_of_birth',
            'kidney_values.event_date'
        ) }} as age_in_years

    from kidney_values

    inner join persons
        on kidney_values.person_id = persons.person_id

    left join sexes
        on persons.gender_concept_id = sexes.concept_id

),

course as (

    select
        aged.person_id,
        aged.split_key,
        aged.event_date as measured_date,
        aged.known_date,
        aged.age_in_years as age_at_measurement,
        aged.is_female,
        aged.creatinine,
        {{ ckd_epi_2021(
            'aged.creatinine', 'aged.age_in_years', 'aged.is_female'
        ) }} as egfr,
        aged.upcr,
        aged.uacr,
        near_admission.person_id is not null as is_near_admission,
        coalesce(end_stage.eskd_date <= aged.event_date, false)
            as is_after_eskd,
        end_stage.eskd_date,
        end_stage.eskd_known_date,
        deaths.death_date

    from aged

    left join near_admission
        on
            aged.person_id = near_admission.person_id
            and aged.event_date = near_admission.event_date

    left join end_stage
        on aged.person_id = end_stage.person_id

    left join deaths
        on aged.person_id = deaths.person_id

)

select * from course
