-- Every delivered clinical event with what became of it, when it happened and
-- when it was known. A view, so that the codes are mapped in the same pass.
--
-- event_date: as recorded, else the start of the visit.
-- known_date: the day on which the source says that it was written down, else the
-- start of the visit, else the event itself where the source dates events so,
-- else the day of the delivery; never before the event, and for a correction not
-- before the first delivery of the corrected content. An onset is no such day.
{{ config(materialized='view') }}

with

received as (

    select * from {{ ref('int_events_received') }}

),

versions as (

    select * from {{ ref('int_record_versions') }}
    where scope = 'events'

),

deliveries as (

    select * from {{ ref('int_deliveries') }}

),

persons as (

    select person_id from {{ ref('int_persons') }}

),

visits as (

    select
        visit_occurrence_id,
        visit_start_date

    from {{ ref('int_visits_settled') }}

    where fate = 'in_omop'

),

merged as (

    select
        received.*,
        received.delivered_visit_id is not null as visit_is_named,
        visits.visit_occurrence_id,
        visits.visit_start_date,
        deliveries.as_of,
        versions.corrected_as_of,
        coalesce(versions.record_key, received.record_id) as record_key,
        coalesce(versions.id_is_shared, false) as id_is_shared,
        coalesce(received.delivered_event_date, visits.visit_start_date)
            as event_date,
        persons.person_id is null as person_is_missing,
        {{ merge_fate() }} as merge_fate

    from received

    inner join deliveries
        on received.delivery_id = deliveries.delivery_id

    left join versions
        on
            received.source_table = versions.source_table
            and received.delivery_id = versions.delivery_id
            and received.file_no = versions.file_no
            and received.line_no = versions.line_no

    left join persons
        on received.person_id = persons.person_id

    left join visits
        on received.delivered_visit_id = visits.visit_occurrence_id

),

ruled as (

    select
        *,
        greatest(
            event_date,
            coalesce(
                recorded_date, visit_start_date, fallback_known_date, as_of
            ),
            corrected_as_of
        ) as known_date,
        coalesce(
            {{ merge_rule() }},
            case
                when person_is_missing then 'person_not_delivered'
                when exclusion_rule is not null then exclusion_rule
                when event_date is null then 'no_event_date'
            end
        ) as rule

    from merged

),

settled as (

    select
        *,
        {{ settled_fate() }} as fate

    from ruled

)

select * from settled
