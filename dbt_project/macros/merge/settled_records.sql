{#
    Entities whose rows go to one table of OMOP as they are delivered: the table, and
    what of its references decides on the row. Each has its models
    int_<entity>_received and int_<entity>_settled, which is settled_records().
-#}
{% macro record_tables() -%}
    {{ return({
        'visit_details': {'table': 'visit_detail', 'person': true, 'visit': 'needed'},
        'notes': {'table': 'note', 'person': true, 'visit': 'nulled'},
        'payer_plan_periods': {'table': 'payer_plan_period', 'person': true},
        'costs': {
            'table': 'cost', 'person': true, 'record': true, 'excluded': true,
        },
        'episodes': {'table': 'episode', 'person': true},
        'dose_eras': {'table': 'dose_era', 'person': true},
        'locations': {'table': 'location'},
        'care_sites': {'table': 'care_site', 'excluded': true},
        'providers': {'table': 'provider', 'excluded': true},
    }) }}
{%- endmacro %}

{#
    Every delivered row of the entity with what became of it. A row whose person is
    not delivered, or whose visit is not and the table needs one, is quarantined;
    where the table can do without, the visit is nulled. What is about any `record`,
    named by domain and key, is quarantined without it. What is `excluded` has a
    column exclusion_rule: the rule that keeps a row out of OMOP.
-#}
{% macro settled_records(entity, columns) -%}
    {%- set its = record_tables()[entity] -%}
with

received as (

    select * from {{ ref('int_' ~ entity ~ '_received') }}

),

versions as (

    select * from {{ ref('int_record_versions') }}
    where scope = '{{ entity }}'

),

deliveries as (

    select * from {{ ref('int_deliveries') }}

),

{% if its.person %}
persons as (

    select person_id from {{ ref('int_persons') }}

),

{% endif %}
{% if its.visit %}
visits as (

    select visit_occurrence_id from {{ ref('int_visits_settled') }}
    where fate = 'in_omop'

),

{% endif %}
{% if its.record %}
records as (

    select * from {{ ref('int_records_in_omop') }}

),

{% endif %}
merged as (

    select
        received.*,
        coalesce(versions.record_key, received.record_id) as record_key,
        {{ 'persons.person_id is null' if its.person else 'false' }}
            as person_is_missing,
        {% if its.visit %}
        received.delivered_visit_id is not null as visit_is_named,
        visits.visit_occurrence_id,
        {% endif %}
        {% if its.record %}
        records.record_id as found_record_id,
        {% endif %}
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

    {% if its.person %}
    left join persons
        on received.person_id = persons.person_id

    {% endif %}
    {% if its.visit %}
    left join visits
        on received.delivered_visit_id = visits.visit_occurrence_id

    {% endif %}
    {% if its.record %}
    left join records
        on
            received.record_domain_id = records.domain_id
            and received.delivered_record_id = records.record_id
            and received.person_id = records.person_id

    {% endif %}
),

ruled as (

    select
        *,
        coalesce(
            {{ merge_rule() }},
            case
                when person_is_missing then 'person_not_delivered'
                {% if its.visit == 'needed' %}
                when visit_occurrence_id is null then 'visit_not_delivered'
                {% endif %}
                {% if its.excluded %}
                when exclusion_rule is not null then exclusion_rule
                {% endif %}
                {% if its.record %}
                when found_record_id is null then 'record_not_delivered'
                {% endif %}
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
        record_key as {{ its.table }}_id,
        {% if its.person %}
        person_id,
        {% endif %}
        {% if its.visit %}
        visit_is_named,
        visit_occurrence_id,
        {% endif %}
        {% if its.record %}
        record_domain_id,
        found_record_id,
        {% endif %}
        {{ columns | join(',\n        ') }}

    from ruled

)

select * from settled
{%- endmacro %}
