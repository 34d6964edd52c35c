-- The visits that are in OMOP. A preceding visit that is not delivered is nulled
-- and counted in int_reference_losses.
{{ config(materialized='view') }}

with

settled as (

    select * from {{ ref('int_visits_settled') }}
    where fate = 'in_omop'

),

preceding as (

    select * from {{ ref('int_preceding_visits') }}

),

referred as (

    select
        settled.visit_occurrence_id,
        settled.person_id,
        settled.visit_concept_id,
        settled.visit_start_date,
        cast(null as timestamp) as visit_start_datetime,
        settled.visit_end_date,
        cast(null as timestamp) as visit_end_datetime,
        settled.visit_type_concept_id,
        settled.provider_id,
        settled.care_site_id,
        settled.visit_source_value,
        settled.visit_source_concept_id,
        settled.admitted_from_concept_id,
        cast(null as {{ dbt.type_string() }}) as admitted_from_source_value,
        settled.discharged_to_concept_id,
        cast(null as {{ dbt.type_string() }}) as discharged_to_source_value,
        preceding.visit_occurrence_id as preceding_visit_occurrence_id,
        settled.preceding_visit_occurrence_id is not null
        and preceding.visit_occurrence_id is null as preceding_visit_is_lost,
        settled.event_date,
        settled.known_date,
        settled.details_known_date,
        settled.delivery_id,
        settled.source_table,
        settled.file_no,
        settled.line_no

    from settled

    left join preceding
        on
            settled.preceding_visit_occurrence_id
            = preceding.visit_occurrence_id

)

select * from referred
