-- The one fate of every row that was read. A row that became several facts
-- counts once, by its first. A view: it only gathers what was settled.
{{ config(materialized='view') }}

with

persons as (

    select * from {{ ref('int_persons_settled') }}

),

visits as (

    select * from {{ ref('int_visits_settled') }}

),

events as (

    select * from {{ ref('int_events_mapped') }}
    where
        part = 0
        and target_no = 1

),

-- A death that stands in the row of the person shares that row's fate.
deaths as (

    select deaths.*
    from {{ ref('int_deaths_settled') }} as deaths

    where not exists (
        select 1
        from persons
        where
            deaths.source_table = persons.source_table
            and deaths.delivery_id = persons.delivery_id
            and deaths.file_no = persons.file_no
            and deaths.line_no = persons.line_no
    )

),

observation_periods as (

    select * from {{ ref('int_observation_periods_settled') }}

),

cdm_sources as (

    select * from {{ ref('int_cdm_sources_settled') }}

),

{% for entity in record_tables() %}
{{ entity }} as (

    select * from {{ ref('int_' ~ entity ~ '_settled') }}

),

{% endfor %}
{% set entities = [
    'persons', 'visits', 'events', 'deaths', 'observation_periods', 'cdm_sources'
] + record_tables() | list %}
unioned as (

    {% for entity in entities %}
    select
        delivery_id,
        source_table,
        file_no,
        line_no,
        fate,
        rule
    from {{ entity }}

    {{ 'union all' if not loop.last }}
    {% endfor %}

)

select * from unioned
