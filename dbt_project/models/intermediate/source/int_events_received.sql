{#-
    The seven kinds of clinical event side by side, each with the columns of all:
    an event goes to the table of its concept's domain, so every kind may end in
    every table.
-#}
{%- set shared = [
    'delivery_id', 'source_table', 'file_no', 'line_no', 'part', 'record_id',
    'content_hash', 'person_id', 'delivered_visit_id', 'exclusion_rule',
    'delivered_event_date', 'end_date', 'recorded_date', 'fallback_known_date',
    'vocabulary_id', 'source_value', 'delivered_concept_id',
    'delivered_source_concept_id', 'type_concept_id',
] -%}
{%- set own = [
    'condition_status_concept_id', 'verbatim_end_date', 'refills', 'quantity',
    'days_supply', 'route_concept_id', 'modifier_concept_id',
    'operator_concept_id', 'value_as_number', 'value_as_string',
    'value_vocabulary_id', 'value_code', 'delivered_value_concept_id',
    'qualifier_concept_id', 'unit_code', 'delivered_unit_concept_id',
    'range_low', 'range_high', 'unit_source_value', 'value_source_value',
    'anatomic_site_concept_id', 'disease_status_concept_id',
] -%}
{%- set kinds = {
    'conditions': ('condition_occurrence', ['condition_status_concept_id']),
    'drugs': ('drug_exposure', [
        'verbatim_end_date', 'refills', 'quantity', 'days_supply',
        'route_concept_id',
    ]),
    'procedures': ('procedure_occurrence', ['modifier_concept_id', 'quantity']),
    'measurements': ('measurement', [
        'operator_concept_id', 'value_as_number', 'value_vocabulary_id',
        'value_code', 'delivered_value_concept_id', 'unit_code',
        'delivered_unit_concept_id', 'range_low', 'range_high',
        'unit_source_value', 'value_source_value',
    ]),
    'observations': ('observation', [
        'value_as_number', 'value_as_string', 'value_vocabulary_id',
        'value_code', 'delivered_value_concept_id', 'qualifier_concept_id',
        'unit_code', 'delivered_unit_concept_id', 'unit_source_value',
        'value_source_value',
    ]),
    'devices': ('device_exposure', [
        'quantity', 'unit_code', 'delivered_unit_concept_id',
        'unit_source_value',
    ]),
    'specimens': ('specimen', [
        'quantity', 'unit_code', 'delivered_unit_concept_id',
        'unit_source_value', 'anatomic_site_concept_id',
        'disease_status_concept_id',
    ]),
} -%}

{{ config(materialized='view') }}

with

{% for kind, (own_table, has) in kinds.items() %}
{{ kind }} as (

    select
        {% for column in shared %}
        {{ column }},
        {% endfor %}
        {% for column in own %}
        {{ column if column in has else 'null as ' ~ column }},
        {% endfor %}
        '{{ own_table }}' as own_table

    from {{ ref('int_' ~ kind ~ '_received') }}

),

{% endfor %}
unioned as (

    {% for kind in kinds %}
    select * from {{ kind }}
    {{ 'union all' if not loop.last }}
    {% endfor %}

)

select * from unioned
