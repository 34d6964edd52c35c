-- Every delivered visit row, with what became of it.
--
-- known_date: the start of the visit; for a corrected visit not before the
-- delivery that corrected it; and for a visit that an earlier delivery should have
-- held, since it reaches past the start, and did not, not before the delivery in
-- which it first came (unless the source says that the start stands for it).
-- details_known_date: from when the end and all else that stands now were known.
with

received as (

    select * from {{ ref('int_visits_received') }}

),

versions as (

    select * from {{ ref('int_record_versions') }}
    where scope = 'visits'

),

deliveries as (

    select * from {{ ref('int_deliveries') }}

),

first_deliveries as (

    select
        delivery_no,
        min(as_of) as first_as_of,
        min(reached_before) as reached_before

    from deliveries

    group by delivery_no

),

persons as (

    select * from {{ ref('int_persons') }}

),

visit_classes as (

    select * from {{ ref('visit_classes') }}

),

merged as (

    select
        received.*,
        coalesce(versions.record_key, received.record_id)
            as visit_occurrence_id,
        versions.corrected_as_of,
        versions.details_as_of,
        first_deliveries.delivery_no as first_delivery_no,
        first_deliveries.first_as_of,
        first_deliveries.reached_before,
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

),

ruled as (

    select
        *,
        greatest(
            visit_start_date,
            case
                when
                    fallback_known_date is null
                    and visit_start_date <= reached_before
                    then first_as_of
            end,
            corrected_as_of
        ) as known_date,
        coalesce(
            {{ merge_rule() }},
            case
                when person_is_missing then 'person_not_delivered'
                when exclusion_rule is not null then exclusion_rule
                when visit_start_date is null then 'no_event_date'
            end
        ) as rule

    from merged

),

settled as (

    select
        ruled.delivery_id,
        ruled.source_table,
        ruled.file_no,
        ruled.line_no,
        {{ settled_fate('ruled.merge_fate', 'ruled.rule') }} as fate,
        ruled.rule,
        ruled.visit_occurrence_id,
        ruled.person_id,
        coalesce(
            ruled.delivered_visit_concept_id,
            visit_classes.visit_concept_id,
            {{ unmapped_concept_id() }}
        ) as visit_concept_id,
        ruled.visit_start_date,
        coalesce(ruled.visit_end_date, ruled.visit_start_date)
            as visit_end_date,
        coalesce(ruled.visit_type_concept_id, {{ unmapped_concept_id() }})
            as visit_type_concept_id,
        ruled.class_code as visit_source_value,
        ruled.visit_source_concept_id,
        ruled.admitted_from_concept_id,
        ruled.discharged_to_concept_id,
        ruled.preceding_visit_occurrence_id,
        ruled.provider_id,
        ruled.care_site_id,
        ruled.visit_start_date as event_date,
        ruled.known_date,
        greatest(ruled.known_date, ruled.details_as_of)
            as details_known_date,
        ruled.first_delivery_no,
        ruled.first_as_of

    from ruled

    left join visit_classes
        on ruled.class_code = visit_classes.class_code

)

select * from settled
