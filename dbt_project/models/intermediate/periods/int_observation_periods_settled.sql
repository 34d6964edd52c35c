-- Every delivered observation period with what became of it, cut where the
-- latest delivery ends: after that day nothing can have been observed.
with

received as (

    select * from {{ ref('int_observation_periods_received') }}

),

versions as (

    select * from {{ ref('int_record_versions') }}
    where scope = 'observation_periods'

),

deliveries as (

    select * from {{ ref('int_deliveries') }}

),

coverage as (

    select * from {{ ref('int_coverage') }}

),

persons as (

    select person_id from {{ ref('int_persons') }}

),

merged as (

    select
        received.*,
        coalesce(versions.record_key, received.record_id)
            as observation_period_id,
        coverage.extracted_through,
        persons.person_id is null as person_is_missing,
        {{ merge_fate() }} as merge_fate

    from received

    inner join deliveries
        on received.delivery_id = deliveries.delivery_id

    cross join coverage

    left join versions
        on
            received.source_table = versions.source_table
            and received.delivery_id = versions.delivery_id
            and received.file_no = versions.file_no
            and received.line_no = versions.line_no

    left join persons
        on received.person_id = persons.person_id

),

ruled as (

    select
        *,
        coalesce(
            {{ merge_rule() }},
            case
                when person_is_missing then 'person_not_delivered'
                when
                    observation_period_start_date is null
                    or observation_period_end_date is null
                    then 'no_event_date'
                when observation_period_start_date > extracted_through
                    then 'after_extraction'
            end
        ) as rule

    from merged

),

settled as (

    select
        delivery_id,
        source_table,
        file_no,
        line_no,
        {{ settled_fate() }} as fate,
        rule,
        observation_period_id,
        person_id,
        observation_period_start_date,
        least(observation_period_end_date, extracted_through)
            as observation_period_end_date,
        period_type_concept_id

    from ruled

)

select * from settled
