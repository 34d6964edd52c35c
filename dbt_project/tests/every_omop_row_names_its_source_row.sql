-- Every OMOP row but eras and cdm_source stands in int_omop_rows, with the place
-- that it came from.
{% set tables = [
    'person', 'observation_period', 'visit_occurrence', 'condition_occurrence',
    'drug_exposure', 'procedure_occurrence', 'measurement', 'observation', 'death',
    'device_exposure', 'specimen',
] + record_tables().values() | map(attribute='table') | list %}
with

{% for table in tables %}
{{ table }}s as (

    select
        '{{ table }}' as omop_table,
        count(*) as row_count
    from {{ ref(table) }}

),

{% endfor %}
omop_tables as (

    {% for table in tables %}
    select * from {{ table }}s
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

named as (

    select
        omop_table,
        count(*) as row_count

    from {{ ref('int_omop_rows') }}

    where
        delivery_id is not null
        and source_table is not null
        and file_no is not null
        and line_no is not null

    group by omop_table

),

exceptions as (

    select
        omop_tables.omop_table,
        omop_tables.row_count,
        named.row_count as rows_named

    from omop_tables

    left join named
        on omop_tables.omop_table = named.omop_table

    where omop_tables.row_count <> coalesce(named.row_count, 0)

)

select * from exceptions
