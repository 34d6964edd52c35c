-- Gate: unexplained proteinuria or chronic kidney disease before the age of 60,
-- diagnosed or with an albumin/creatinine above 300 or a protein/creatinine above
-- 500 mg/g (severely increased, KDIGO A3); explained if diabetes is known by then.
with

records as (

    select * from {{ ref('fabry__int_aged_records') }}

),

kidney_values as (

    select * from {{ ref('fabry__int_kidney_values') }}

),

persons as (

    select * from {{ ref('int_persons') }}

),

values_with_age as (

    select
        kidney_values.person_id,
        kidney_values.known_date as evidence_date,
        {{ completed_years(
            'persons.year_of_birth',
            'persons.month_of_birth',
            'kidney_values.event_date'
        ) }} as age_in_years

    from kidney_values

    inner join persons
        on kidney_values.person_id = persons.person_id

    where kidney_values.uacr > 300 or kidney_values.upcr > 500

),

kidney_disease as (

    select
        person_id,
        evidence_date

    from records

    where
        concept_set in ('proteinuria', 'chronic_kidney_disease')
        and age_in_years < 60

    union all

    select
        person_id,
        evidence_date

    from values_with_age

    where age_in_years < 60

),

first_kidney_disease as (

    select
        person_id,
        min(evidence_date) as gate_date

    from kidney_disease

    group by person_id

),

first_diabetes as (

    select
        person_id,
        min(evidence_date) as diabetes_date

    from records

    where concept_set = 'diabetes'

    group by person_id

),

met as (

    select
        first_kidney_disease.person_id,
        first_kidney_disease.gate_date

    from first_kidney_disease

    left join first_diabetes
        on first_kidney_disease.person_id = first_diabetes.person_id

    where
        first_diabetes.diabetes_date is null
        or first_diabetes.diabetes_date > first_kidney_disease.gate_date

)

select * from met
