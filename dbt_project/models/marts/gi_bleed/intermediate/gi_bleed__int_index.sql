-- The index of a new user: the first exposure to either drug. Who starts both
-- on that day keeps one row, under celecoxib, and the flag says that the drug
-- is no choice between the two. An exposure on a day that is not observed any more
-- (known only from a delivery that ends before its own date) makes no index.
with

first_exposures as (

    select * from {{ ref('gi_bleed__int_first_exposures') }}

),

coverage as (

    select * from {{ ref('int_coverage') }}

),

with_index as (

    select
        first_exposures.person_id,
        first_exposures.drug,
        first_exposures.exposure_date,
        min(first_exposures.exposure_date) over (
            partition by first_exposures.person_id
        ) as index_date

    from first_exposures

    inner join coverage
        on first_exposures.exposure_date <= coverage.extracted_through

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
