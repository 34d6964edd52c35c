-- The day to which this hospital is observed: where the latest delivery ends. One
-- rule for all that asks how far observation reaches - periods, deaths, and the
-- last day on which an index may lie. A delivery that ends earlier than one before
-- it takes observation back, since it is what the source now vouches for.
with

coverage as (

    select extracted_through from {{ ref('int_deliveries') }}
    where is_latest

)

select * from coverage
