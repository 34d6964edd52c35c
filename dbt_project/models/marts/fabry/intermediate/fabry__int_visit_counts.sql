-- On how many days a person's visits became known in the 365 days before each
-- index: one walk through each person's days of index and visit.
with

indexes as (

    select distinct
        person_id,
        index_date

    from {{ ref('fabry__int_index') }}

),

visit_days as (

    select * from {{ ref('core__int_visit_days') }}

),

days as (

    select
        person_id,
        index_date as evidence_date,
        index_date,
        cast(null as date) as visit_date

    from indexes

    union all

    select
        person_id,
        evidence_date,
        cast(null as date) as index_date,
        event_date as visit_date

    from visit_days

),

numbered as (

    select
        *,
        {{ days_between("date '1900-01-01'", 'evidence_date') }} as day_number

    from days

),

walked as (

    select
        person_id,
        index_date,
        count(visit_date) over (
            partition by person_id
            order by day_number
            range between 365 preceding and 1 preceding
        ) as visits_365

    from numbered

),

visit_counts as (

    select * from walked

    where index_date is not null

)

select * from visit_counts
