-- The worklist of whoever maps the hospital's codes: what has no standard concept,
-- how often, and which share of its table's records that is. The name is the one
-- that the hospital's mapping gives to a code that it leaves without a concept.
with

events as (

    select * from {{ ref('int_events_mapped') }}
    where
        fate = 'in_omop'
        and target_no = 1

),

own_mapping as (

    select * from {{ ref('stg_vocabulary__source_to_concept_maps') }}

),

totals as (

    select
        source_table,
        count(*) as records

    from events

    group by source_table

),

unmapped as (

    select
        source_table,
        source_value as source_code,
        count(*) as records,
        count(distinct person_id) as persons

    from events

    where concept_id = {{ unmapped_concept_id() }}

    group by
        source_table,
        source_value

),

names as (

    select
        source_code,
        min(source_code_description) as source_code_description

    from own_mapping

    where target_concept_id = {{ unmapped_concept_id() }}

    group by source_code

),

worklist as (

    select
        unmapped.source_table,
        unmapped.source_code,
        names.source_code_description,
        unmapped.records,
        unmapped.persons,
        unmapped.records * 1.0 / totals.records as share_of_table

    from unmapped

    inner join totals
        on unmapped.source_table = totals.source_table

    left join names
        on unmapped.source_code = names.source_code

)

select * from worklist
