-- The records with the age at which they happened.
{{ config(materialized='view') }}

with

records as (

    select * from {{ ref('fabry__int_records') }}

),

persons as (

    select * from {{ ref('int_persons') }}

),

aged as (

    select
        records.person_id,
        records.concept_set,
        records.event_date,
        records.evidence_date,
        {{ completed_years(
            'persons.year_of_birth',
            'persons.month_of_birth',
            'records.event_date'
        ) }} as age_in_years

    from records

    inner join persons
        on records.person_id = persons.person_id

)

select * from aged
