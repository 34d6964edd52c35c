-- A projection of what was settled, so a view: nothing is computed twice.
{{ config(materialized='view') }}

with

settled as (

    select * from {{ ref('int_persons_settled') }}
    where fate = 'in_omop'

),

persons as (

    select
        person_id,
        gender_concept_id,
        year_of_birth,
        month_of_birth,
        cast(null as integer) as day_of_birth,
        cast(null as timestamp) as birth_datetime,
        race_concept_id,
        ethnicity_concept_id,
        location_id,
        provider_id,
        care_site_id,
        cast(null as {{ dbt.type_string() }}) as person_source_value,
        gender_source_value,
        cast(null as integer) as gender_source_concept_id,
        race_source_value,
        cast(null as integer) as race_source_concept_id,
        ethnicity_source_value,
        cast(null as integer) as ethnicity_source_concept_id,
        split_key,
        period_is_delivered,
        delivery_id,
        source_table,
        file_no,
        line_no

    from settled

)

select * from persons
