-- The index of a new user: the first exposure to either drug. Who starts both
-- on that day keeps one row, under celecoxib, and the flag says that the drug
-- is no choice between the two.
with

first_exposures as (

    select * from {{ ref('gi_bleed__int_first_exposures') }}

),

with_index as (

    select
        person_id,
        drug,
        exposure_date,
        min(exposure_date) over (partition by person_id) as index_date

    from first_exposures

),

index_drugs as (

    select
        person_id,
        index_date,
        min(drug) as drug,
        count(*) > 1 as both_drugs_on_index

    from with_index

    where exposure_date = index_date

    group by person_id, index_date

)

select * from index_drugs
