-- Every delivered clinical event with what became of it, when it happened and
-- when it was known. A view, so that the codes are mapped in the same pass.
--
-- event_date: as recorded, else the start of the visit.
-- known_date: the day on which the source says that it was written down, else the
-- start of the visit, else the event itself where the source dates events so,
-- else the day of the delivery in which it first came; never before the event,
-- and for a corrected fact not before the delivery that corrected it. An onset is
-- no such day. The visit counts as it was known: one that first came in a later
-- delivery than the event dates it no earlier than that delivery, and says nothing
-- about when an event with a date of its own was known. Such an event was known
-- when it first came, at the latest.
-- details_known_date: from when all else that stands now was known.
{{ config(
    materialized='view',
    meta={'counted_as': 'int_events_received'},
) }}

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

first_deliveries as (

    select
        delivery_no,
        min(as_of) as first_as_of

    from deliveries

    group by delivery_no

),

persons as (

    select person_id from {{ ref('int_persons') }}

),

visits as (

    select
        visit_occurrence_id,
        visit_start_date,
        known_date,
        first_delivery_no,
        first_as_of

    from {{ ref('int_visits_settled') }}

    where fate = 'in_omop'

),

merged as (

    select
        received.*,
        received.delivered_visit_id is not null as visit_is_named,
        visits.visit_occurrence_id,
        versions.corrected_as_of,
        versions.details_as_of,
        first_deliveries.first_as_of,
        received.delivered_event_date is not null as has_own_date,
        visits.first_delivery_no > first_deliveries.delivery_no
            as visit_came_later,
        greatest(
            visits.known_date,
            versions.visit_named_as_of,
            case
                when visits.first_delivery_no > first_deliveries.delivery_no
                    then visits.first_as_of
            end
        ) as visit_known_date,
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

    inner join first_deliveries
        on
            coalesce(versions.first_delivery_no, deliveries.delivery_no)
            = first_deliveries.delivery_no

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
                recorded_date,
                case
                    when visit_occurrence_id is null then null
                    when not has_own_date then visit_known_date
                    when not visit_came_later
                        then least(visit_known_date, first_as_of)
                end,
                fallback_known_date,
                first_as_of
            ),
            case when not has_own_date then visit_known_date end,
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
        greatest(
            known_date,
            details_as_of,
            case when visit_came_later then visit_known_date end
        ) as details_known_date,
        {{ settled_fate() }} as fate

    from ruled

)

select * from settled
