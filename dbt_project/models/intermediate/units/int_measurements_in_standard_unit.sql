-- The results of the tests that our marts read, in one unit each. The factor is
-- looked up by test and unit, never guessed from the value: a number whose unit is
-- missing or not listed has no value here, and the reason says so.
{{ config(materialized='view') }}

with

measurements as (

    select * from {{ ref('int_measurements') }}

),

concepts as (

    select * from {{ ref('stg_vocabulary__concepts') }}

),

conversions as (

    select * from {{ ref('unit_conversions') }}

),

standard_units as (

    select distinct
        measurement_concept_id,
        to_unit as unit

    from conversions

),

ucum_units as (

    select
        concept_id,
        concept_code

    from concepts

    where vocabulary_id = 'UCUM'

),

-- The unit as UCUM writes it, where the source's unit was mapped; else its text.
with_unit as (

    select
        measurements.*,
        standard_units.unit,
        coalesce(
            ucum_units.concept_code, measurements.unit_source_value, 'none'
        ) as from_unit

    from measurements

    inner join standard_units
        on
            measurements.measurement_concept_id
            = standard_units.measurement_concept_id

    left join ucum_units
        on measurements.unit_concept_id = ucum_units.concept_id

),

standardised as (

    select
        with_unit.measurement_id,
        with_unit.person_id,
        with_unit.measurement_concept_id,
        with_unit.value_as_number * conversions.factor as value_as_number,
        with_unit.unit,
        with_unit.value_as_concept_id,
        with_unit.event_date,
        with_unit.known_date,
        with_unit.details_known_date,
        with_unit.visit_occurrence_id,
        with_unit.from_unit,
        case
            when with_unit.value_as_number is null then null
            when conversions.factor = 1 then 'same_unit'
            when conversions.factor is not null then 'factor'
        end as rule,
        case
            when with_unit.unit = 'none' then null
            when with_unit.value_as_number is null then 'no_number'
            when conversions.factor is not null then null
            when with_unit.from_unit = 'none' then 'unit_is_missing'
            else 'unit_is_unknown'
        end as reason

    from with_unit

    left join conversions
        on
            with_unit.measurement_concept_id
            = conversions.measurement_concept_id
            and with_unit.from_unit = conversions.from_unit

)

select * from standardised
