-- Every delivered death with what became of it. Sources that state a death with
-- the person send one row per person, without a date for the living: so a later
-- row that takes a death back supersedes the earlier one.
with

received as (

    select * from {{ ref('int_deaths_received') }}

),

versions as (

    select * from {{ ref('int_record_versions') }}
    where scope = 'deaths'

),

deliveries as (

    select * from {{ ref('int_deliveries') }}

),

persons as (

    select person_id from {{ ref('int_persons') }}

),

merged as (

    select
        received.*,
        versions.corrected_as_of,
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

),

-- A person dies once: of several current rows the earliest counts.
numbered as (

    select
        *,
        row_number() over (
            partition by person_id, merge_fate
            order by
                case when death_date is null then 1 else 0 end,
                death_date,
                content_hash
        ) as death_no

    from merged

),

ruled as (

    select
        *,
        coalesce(
            {{ merge_rule() }},
            case
                when person_is_missing then 'person_not_delivered'
                when death_date is null then 'no_event_date'
                when death_no > 1 then 'second_death_of_person'
            end
        ) as rule

    from numbered

),

settled as (

    select
        delivery_id,
        source_table,
        file_no,
        line_no,
        {{ settled_fate() }} as fate,
        rule,
        person_id,
        death_date,
        death_type_concept_id,
        cause_concept_id,
        cause_source_concept_id,
        death_date as event_date,
        greatest(death_date, corrected_as_of) as known_date

    from ruled

)

select * from settled
