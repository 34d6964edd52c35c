-- OHDSI PhenotypeLibrary 334, in persons with any asthma: either of its arms.
with

any_asthma as (

    select * from {{ ref('asthma__int_any_asthma') }}

),

diagnosed as (

    select * from {{ ref('asthma__int_pl_334_diagnosis') }}

),

treated as (

    select * from {{ ref('asthma__int_pl_334_therapy') }}

),

arms as (

    select
        person_id,
        diagnosis_date as met_date

    from diagnosed

    union all

    select
        person_id,
        therapy_date as met_date

    from treated

),

first_arms as (

    select
        person_id,
        min(met_date) as met_date

    from arms

    group by person_id

),

pl_334 as (

    select
        first_arms.person_id,
        greatest(
            first_arms.met_date, any_asthma.any_asthma_date
        ) as pl_334_date

    from first_arms

    inner join any_asthma
        on first_arms.person_id = any_asthma.person_id

)

select * from pl_334
