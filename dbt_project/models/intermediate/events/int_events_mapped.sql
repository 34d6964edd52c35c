-- Every delivered clinical event in the terms of OMOP: one row per fact and
-- standard concept that its code maps to.
--
-- The joins to the vocabulary are left joins: a code without a standard concept
-- keeps its row with no matching concept, and stays in the table of its kind.
-- Any other code goes to the table of its concept's domain. Concepts that a
-- source delivers are believed, and so are its tables and ids.
with

settled as (

    select * from {{ ref('int_events_settled') }}

),

codes as (

    select * from {{ ref('stg_vocabulary__codes_mapped') }}

),

first_targets as (

    select * from codes
    where target_no = 1

),

-- A text that the hospital uses for a unit counts before what UCUM means by it.
units_numbered as (

    select
        code,
        standard_concept_id,
        row_number() over (
            partition by code
            order by
                case when vocabulary_id = 'LOCAL_UNIT' then 0 else 1 end
        ) as unit_no

    from first_targets

    where vocabulary_id in ('LOCAL_UNIT', 'UCUM')

),

units as (

    select * from units_numbered
    where unit_no = 1

),

domain_tables as (

    select * from {{ ref('domain_tables') }}

),

mapped as (

    select
        settled.*,
        coalesce(codes.target_no, 1) as target_no,
        coalesce(
            settled.delivered_concept_id,
            codes.standard_concept_id,
            {{ unmapped_concept_id() }}
        ) as concept_id,
        coalesce(
            settled.delivered_source_concept_id,
            codes.source_concept_id,
            {{ unmapped_concept_id() }}
        ) as source_concept_id,
        case
            when settled.delivered_concept_id is not null
                then settled.own_table
            when codes.domain_id is null then settled.own_table
            else coalesce(domain_tables.omop_table, 'observation')
        end as omop_table,
        case
            when settled.delivered_value_concept_id is not null
                then settled.delivered_value_concept_id
            when settled.value_code is not null
                then coalesce(
                    value_codes.standard_concept_id,
                    {{ unmapped_concept_id() }}
                )
        end as value_as_concept_id,
        case
            when settled.delivered_unit_concept_id is not null
                then settled.delivered_unit_concept_id
            when settled.unit_code is not null
                then coalesce(
                    units.standard_concept_id, {{ unmapped_concept_id() }}
                )
        end as unit_concept_id

    from settled

    left join codes
        on
            settled.vocabulary_id = codes.vocabulary_id
            and settled.source_value = codes.code

    left join domain_tables
        on codes.domain_id = domain_tables.domain_id

    left join first_targets as value_codes
        on
            settled.value_vocabulary_id = value_codes.vocabulary_id
            and settled.value_code = value_codes.code

    left join units
        on settled.unit_code = units.code

),

keyed as (

    select
        delivery_id,
        source_table,
        file_no,
        line_no,
        part,
        target_no,
        fate,
        rule,
        omop_table,
        case
            when delivered_concept_id is not null then record_key
            else {{ key_hash([
                'source_table', 'record_key', 'part', 'concept_id',
            ]) }}
        end as omop_id,
        person_id,
        visit_is_named,
        visit_occurrence_id,
        event_date,
        end_date,
        known_date,
        details_known_date,
        concept_id,
        source_value,
        source_concept_id,
        coalesce(type_concept_id, {{ unmapped_concept_id() }})
            as type_concept_id,
        condition_status_concept_id,
        verbatim_end_date,
        refills,
        quantity,
        days_supply,
        route_concept_id,
        modifier_concept_id,
        operator_concept_id,
        value_as_number,
        value_as_string,
        value_as_concept_id,
        value_source_value,
        qualifier_concept_id,
        unit_concept_id,
        unit_source_value,
        range_low,
        range_high,
        anatomic_site_concept_id,
        disease_status_concept_id

    from mapped

)

select * from keyed
