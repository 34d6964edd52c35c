-- Sources without observation periods: a person is observed from the first visit
-- to the day on which the latest delivery ends, or to death. The period names
-- the row of the first visit as its source. Persons without a visit have none.
with

persons as (

    select person_id from {{ ref('int_persons') }}
    where not period_is_delivered

),

visits as (

    select * from {{ ref('int_visits_settled') }}
    where fate = 'in_omop'

),

deaths as (

    select * from {{ ref('int_deaths') }}

),

coverage as (

    select * from {{ ref('int_coverage') }}

),

visits_numbered as (

    select
        visits.person_id,
        visits.visit_start_date,
        visits.delivery_id,
        visits.source_table,
        visits.file_no,
        visits.line_no,
        row_number() over (
            partition by visits.person_id
            order by visits.visit_start_date, visits.visit_occurrence_id
        ) as visit_no

    from visits

    inner join persons
        on visits.person_id = persons.person_id

),

first_visits as (

    select
        visits_numbered.*,
        least(coverage.extracted_through, deaths.death_date)
            as observation_period_end_date

    from visits_numbered

    cross join coverage

    left join deaths
        on visits_numbered.person_id = deaths.person_id

    where visits_numbered.visit_no = 1

),

derived as (

    select
        {{ key_hash(["'observation_period'", 'person_id']) }}
            as observation_period_id,
        person_id,
        visit_start_date as observation_period_start_date,
        observation_period_end_date,
        {{ ehr_type_concept_id() }} as period_type_concept_id,
        delivery_id,
        source_table,
        file_no,
        line_no

    from first_visits

    where visit_start_date <= observation_period_end_date

)

select * from derived
