-- What marts read of laboratory and function tests: the test, a value in the one
-- unit that they know, and when it was known.
with

in_standard_unit as (

    select * from {{ ref('int_measurements_in_standard_unit') }}

),

eosinophils_from_percent as (

    select * from {{ ref('int_eosinophils_from_percent') }}

),

standardised as (

    select
        in_standard_unit.measurement_id,
        in_standard_unit.person_id,
        case
            when derived.measurement_id is not null then 3028615
            else in_standard_unit.measurement_concept_id
        end as measurement_concept_id,
        coalesce(derived.value_as_number, in_standard_unit.value_as_number)
            as value_as_number,
        case
            when derived.measurement_id is not null then '/uL'
            else in_standard_unit.unit
        end as unit,
        in_standard_unit.value_as_concept_id,
        in_standard_unit.event_date,
        coalesce(derived.known_date, in_standard_unit.known_date)
            as known_date,
        coalesce(
            derived.details_known_date, in_standard_unit.details_known_date
        ) as details_known_date,
        in_standard_unit.visit_occurrence_id,
        in_standard_unit.measurement_concept_id as delivered_concept_id,
        in_standard_unit.from_unit as delivered_unit,
        case
            when derived.measurement_id is not null
                then 'share_of_leukocytes'
            else in_standard_unit.rule
        end as rule,
        in_standard_unit.reason

    from in_standard_unit

    left join eosinophils_from_percent as derived
        on in_standard_unit.measurement_id = derived.measurement_id

)

select * from standardised
