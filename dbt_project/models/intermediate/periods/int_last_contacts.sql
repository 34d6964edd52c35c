-- The last day on which a person was seen: of any event or visit in OMOP, by the day
-- to which observation reaches. A derived period runs on to that day whether or not
-- the person still came; this column lets an analysis end with the last contact.
with

events as (

    select * from {{ ref('int_events_mapped') }}
    where fate = 'in_omop'

),

visits as (

    select * from {{ ref('int_visits_settled') }}
    where fate = 'in_omop'

),

coverage as (

    select * from {{ ref('int_coverage') }}

),

contacts as (

    select
        person_id,
        event_date as first_day,
        event_date as last_day

    from events

    union all

    select
        person_id,
        visit_start_date as first_day,
        visit_end_date as last_day

    from visits

),

last_contacts as (

    select
        contacts.person_id,
        max(least(
            greatest(contacts.first_day, contacts.last_day),
            coverage.extracted_through
        )) as last_contact_date

    from contacts

    inner join coverage
        on contacts.first_day <= coverage.extracted_through

    group by contacts.person_id

)

select * from last_contacts
