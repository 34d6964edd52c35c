-- The first controller of a person with any asthma.
with

fills as (

    select * from {{ ref('asthma__int_drug_fills') }}

),

first_controllers as (

    select
        person_id,
        min(evidence_date) as controller_date

    from fills

    where is_controller

    group by person_id

)

select * from first_controllers
