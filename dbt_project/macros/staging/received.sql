{#
    What the site's format delivers of an entity that not every format has; no rows
    of the columns of the model's yml where it has none.
-#}
{% macro received(entity) -%}
    {%- if target.schema in formats_with(entity) -%}
    select * from {{ ref('stg_' ~ target.schema ~ '__' ~ entity) }}
    {%- else -%}
    {{ no_rows() }}
    {%- endif -%}
{%- endmacro %}

{# The formats that have a staging model of the entity. -#}
{% macro formats_with(entity) -%}
    {{ return({
        'visit_details': ['omop_cdm'],
        'devices': ['omop_cdm', 'synthea_csv'],
        'specimens': ['omop_cdm'],
        'notes': ['omop_cdm'],
        'payer_plan_periods': ['omop_cdm', 'synthea_csv'],
        'costs': ['omop_cdm', 'synthea_csv'],
        'episodes': ['omop_cdm'],
        'dose_eras': ['omop_cdm'],
        'locations': ['fhir_r4', 'omop_cdm'],
        'care_sites': ['fhir_r4', 'omop_cdm', 'synthea_csv'],
        'providers': ['fhir_r4', 'omop_cdm', 'synthea_csv'],
    }[entity]) }}
{%- endmacro %}
