-- Visits and events that are in OMOP under the key that their source gives them,
-- by the name of their domain: what other rows of the source may be about. An
-- event of a code has a key of its own, which no other row knows.
{{ config(materialized='view') }}

with

visits as (

    select * from {{ ref('int_visits_settled') }}
    where fate = 'in_omop'

),

events as (

    select * from {{ ref('int_events_mapped') }}
    where fate = 'in_omop'

),

domain_tables as (

    select * from {{ ref('domain_tables') }}

),

unioned as (

    select
        'Visit' as domain_id,
        visit_occurrence_id as record_id,
        person_id

    from visits

    union all

    select
        domain_tables.domain_id,
        events.omop_id as record_id,
        events.person_id

    from events

    inner join domain_tables
        on events.omop_table = domain_tables.omop_table

)

select * from unioned
