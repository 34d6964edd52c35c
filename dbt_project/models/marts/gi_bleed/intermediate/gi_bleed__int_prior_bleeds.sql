-- New users with a bleed that had happened and was known by the index day.
with

bleeds as (

    select * from {{ ref('gi_bleed__int_bleeds') }}

),

prior_bleeds as (

    select distinct person_id

    from bleeds

    where event_date <= index_date and known_date <= index_date

)

select * from prior_bleeds
