-- The days on which the gates are met, before it is asked who was observed.
{{ config(materialized='view') }}

with

{% set gates = ['lvh', 'hcm', 'kidney', 'dialysis', 'stroke', 'pain'] -%}
gates_met as (

    {% for gate in gates -%}
    select
        person_id,
        '{{ gate }}' as gate,
        gate_date

    from {{ ref('fabry__int_gate_' ~ gate) }}

    union all

    {% endfor -%}
    select
        person_id,
        'general' as gate,
        gate_date

    from {{ ref('fabry__int_gate_general') }}

)

select * from gates_met
