{{ config(materialized='table') }}

-- Which coding of a CodeableConcept counts: one that leads to a standard concept
-- before one that does not, then by the preference among code systems, then by
-- the order of the source. Chosen once per list of codings that occurs, of which
-- there are few, and not once per row. A code system that the seed does not list
-- is a vocabulary of its own, which the hospital's mapping may know.
{% set coded_tables = [
    'condition', 'medication_request', 'medication_administration',
    'observation', 'procedure', 'immunization',
] %}
with

{% for table in coded_tables %}
{{ table }}s as (

    select * from {{ source('fhir_r4', table) }}

),

{% endfor %}
components as (

    select unnest(components) as component from observations

),

lists as (

    {% for table in coded_tables %}
    select codings from {{ table }}s

    union

    {% endfor %}
    select route_codings as codings from medication_requests

    union

    select route_codings as codings from medication_administrations

    union

    select value_codings as codings from observations

    union

    select component.codings from components

    union

    select component.value_codings as codings from components

),

positions as (

    select
        codings,
        unnest(codings) as coding,
        generate_subscripts(codings, 1) as position
    from lists

),

code_systems as (

    select * from {{ ref('code_systems') }}

),

mapped_codes as (

    select distinct
        vocabulary_id,
        code
    from {{ ref('stg_vocabulary__codes_mapped') }}

    where standard_concept_id <> {{ unmapped_concept_id() }}

),

ranked as (

    select
        positions.codings,
        coalesce(code_systems.vocabulary_id, positions.coding.system)
            as vocabulary_id,
        positions.coding.code,
        row_number() over (
            partition by positions.codings
            order by
                mapped_codes.code is null,
                code_systems.preference nulls last,
                positions.position
        ) as choice

    from positions

    left join code_systems
        on positions.coding.system = code_systems.system

    left join mapped_codes
        on
            coalesce(code_systems.vocabulary_id, positions.coding.system)
            = mapped_codes.vocabulary_id
            and positions.coding.code = mapped_codes.code

    where positions.coding.code is not null

),

chosen as (

    select
        codings,
        vocabulary_id,
        code
    from ranked

    where choice = 1

)

select * from chosen
