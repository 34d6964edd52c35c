-- Eosinophils per microlitre from their share of leukocytes and the leukocytes of
-- the same person and day: those of the same visit first, then those known first.
-- A share of a day that has a count of its own adds nothing and is left as it is.
with

measurements as (

    select * from {{ ref('int_measurements_in_standard_unit') }}
    where value_as_number is not null

),

shares as (

    select * from measurements
    where measurement_concept_id = 3010457

),

counts as (

    select distinct
        person_id,
        event_date

    from measurements

    where measurement_concept_id = 3028615

),

leukocytes as (

    select * from measurements
    where measurement_concept_id = 3000905

),

paired as (

    select
        shares.measurement_id,
        shares.person_id,
        shares.value_as_number / 100 * leukocytes.value_as_number * 1000
            as value_as_number,
        greatest(shares.known_date, leukocytes.known_date) as known_date,
        greatest(shares.details_known_date, leukocytes.details_known_date)
            as details_known_date,
        row_number() over (
            partition by shares.measurement_id
            order by
                case
                    when
                        shares.visit_occurrence_id
                        = leukocytes.visit_occurrence_id
                        then 0
                    else 1
                end,
                leukocytes.known_date,
                leukocytes.measurement_id
        ) as leukocytes_no

    from shares

    inner join leukocytes
        on
            shares.person_id = leukocytes.person_id
            and shares.event_date = leukocytes.event_date

    left join counts
        on
            shares.person_id = counts.person_id
            and shares.event_date = counts.event_date

    where counts.person_id is null

),

derived as (

    select
        measurement_id,
        person_id,
        value_as_number,
        known_date,
        details_known_date

    from paired

    where leukocytes_no = 1

)

select * from derived
