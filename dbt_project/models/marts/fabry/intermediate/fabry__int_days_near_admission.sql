-- Days with kidney values that lie in a hospital stay or at most 14 days from an
-- admission: acute illness moves creatinine, and slopes leave such values out.
with

kidney_values as (

    select * from {{ ref('fabry__int_kidney_values') }}

),

visits as (

    select * from {{ ref('int_visit_occurrences') }}

),

concept_set_members as (

    select * from {{ ref('int_concept_set_members') }}

),

days as (

    select
        person_id,
        event_date,
        cast(null as date) as admission_date,
        cast(null as date) as discharge_date

    from kidney_values

    union all

    select
        visits.person_id,
        visits.visit_start_date as event_date,
        visits.visit_start_date as admission_date,
        coalesce(visits.visit_end_date, visits.visit_start_date)
            as discharge_date

    from visits

    inner join concept_set_members
        on visits.visit_concept_id = concept_set_members.concept_id

    where
        concept_set_members.concept_set = 'inpatient_visit'
        and visits.visit_start_date is not null

),

surrounded as (

    select
        person_id,
        event_date,
        admission_date,
        max(admission_date) over (
            partition by person_id order by event_date
            range between unbounded preceding and current row
        ) as last_admission_date,
        max(discharge_date) over (
            partition by person_id order by event_date
            range between unbounded preceding and current row
        ) as last_discharge_date,
        min(admission_date) over (
            partition by person_id order by event_date
            range between current row and unbounded following
        ) as next_admission_date

    from days

),

near_admission as (

    select distinct
        person_id,
        event_date

    from surrounded

    where
        admission_date is null
        and (
            last_discharge_date >= event_date
            or {{ days_between('last_admission_date', 'event_date') }} <= 14
            or {{ days_between('event_date', 'next_admission_date') }} <= 14
        )

)

select * from near_admission
