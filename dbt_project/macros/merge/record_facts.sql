{#
    What a row of an entity states as a fact: who, what, when, which value, and
    whether it counts. Everything else in the row is a detail (an end, a supply, a
    route, a discharge), whose change does not touch when the fact was known.
    When the source says that a fact was recorded belongs to it: moving that day
    back must not make it known earlier. What is not dated here is all fact.
-#}
{% macro record_facts(entity) -%}
    {%- set coded = [
        'person_id', 'exclusion_rule', 'delivered_event_date', 'recorded_date',
        'vocabulary_id', 'source_value', 'delivered_concept_id',
        'delivered_source_concept_id', 'part',
    ] -%}
    {%- set valued = [
        'value_as_number', 'value_vocabulary_id', 'value_code',
        'delivered_value_concept_id', 'unit_code', 'delivered_unit_concept_id',
        'unit_source_value', 'value_source_value',
    ] -%}
    {%- set facts = {
        'visits': [
            'person_id', 'exclusion_rule', 'visit_start_date', 'class_code',
            'delivered_visit_concept_id',
        ],
        'conditions': coded + ['condition_status_concept_id'],
        'drugs': coded,
        'procedures': coded,
        'measurements': coded + valued + ['operator_concept_id'],
        'observations': coded + valued + [
            'value_as_string', 'qualifier_concept_id',
        ],
        'devices': coded,
        'specimens': coded,
        'deaths': ['person_id', 'death_date'],
    } -%}
    {{ return(facts.get(entity, ['content_hash'])) }}
{%- endmacro %}

{#
    Hash of the facts of a record, for a select from `received` joined to
    `disputed`, which knows the hash of what a row says.
-#}
{% macro fact_hash(entity) -%}
    {%- set facts = [] -%}
    {%- for column in record_facts(entity) -%}
        {%- set side = 'disputed.' if column == 'content_hash' else 'received.' -%}
        {%- do facts.append(side ~ column) -%}
    {%- endfor -%}
    {{ key_hash(facts) }}
{%- endmacro %}


{# The visit that a row of `received` names; only events name one. #}
{% macro visit_named(scope) -%}
    {{ 'received.delivered_visit_id' if scope == 'events' else 'cast(null as bigint)' }}
{%- endmacro %}
