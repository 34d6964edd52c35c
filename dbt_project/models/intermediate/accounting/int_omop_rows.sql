-- The source row of every OMOP row; eras and cdm_source are derived from many.
-- A view: it only gathers what was settled.
{{ config(materialized='view') }}

{% set tables = {
    'person': 'person_id',
    'observation_period': 'observation_period_id',
    'visit_occurrence': 'visit_occurrence_id',
    'death': 'person_id',
} %}
with

{% for table, id in tables.items() %}
{{ table }}s as (

    select
        '{{ table }}' as omop_table,
        {{ id }} as omop_id,
        delivery_id,
        source_table,
        file_no,
        line_no

    from {{ ref('int_' ~ table ~ 's') }}

),

{% endfor %}
{% for entity, its in record_tables().items() %}
{{ entity }} as (

    select
        '{{ its.table }}' as omop_table,
        {{ its.table }}_id as omop_id,
        delivery_id,
        source_table,
        file_no,
        line_no

    from {{ ref('int_' ~ entity ~ '_settled') }}

    where fate = 'in_omop'

),

{% endfor %}
events as (

    select
        omop_table,
        omop_id,
        delivery_id,
        source_table,
        file_no,
        line_no

    from {{ ref('int_events_mapped') }}

    where fate = 'in_omop'

),

unioned as (

    {% for table in tables %}
    select * from {{ table }}s

    union all

    {% endfor %}
    {% for entity in record_tables() %}
    select * from {{ entity }}

    union all

    {% endfor %}
    select * from events

)

select * from unioned
