-- Gastrointestinal bleeds of new users.
with

conditions as (

    select * from {{ ref('int_condition_occurrences') }}

),

concept_set_members as (

    select * from {{ ref('int_concept_set_members') }}

),

index_dates as (

    select * from {{ ref('gi_bleed__int_index') }}

),

bleeds as (

    select
        conditions.person_id,
        index_dates.index_date,
        conditions.event_date,
        conditions.known_date

    from conditions

    inner join concept_set_members
        on conditions.condition_concept_id = concept_set_members.concept_id

    inner join index_dates
        on conditions.person_id = index_dates.person_id

    where
        concept_set_members.concept_set = 'gi_bleed'
        and conditions.event_date is not null
        and conditions.known_date is not null

)

select * from bleeds
