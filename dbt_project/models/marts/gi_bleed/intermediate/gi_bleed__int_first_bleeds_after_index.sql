-- The first bleed after the index day and at most 365 days after it, whenever
-- it became known.
with

bleeds as (

    select * from {{ ref('gi_bleed__int_bleeds') }}

),

first_bleeds as (

    select
        person_id,
        min(event_date) as bleed_date

    from bleeds

    where
        event_date > index_date
        and event_date <= {{ add_days('index_date', 365) }}

    group by person_id

)

select * from first_bleeds
