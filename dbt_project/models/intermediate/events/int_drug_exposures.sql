-- A projection of the mapped events that go to this table, so a view.
{{ config(materialized='view') }}

with

mapped as (

    select * from {{ ref('int_events_mapped') }}
    where
        omop_table = 'drug_exposure'
        and fate = 'in_omop'

),

drug_exposures as (

    select
        omop_id as drug_exposure_id,
        person_id,
        concept_id as drug_concept_id,
        event_date as drug_exposure_start_date,
        cast(null as timestamp) as drug_exposure_start_datetime,
        coalesce(
            end_date,
            case
                when days_supply > 0
                    then {{ add_days('event_date', 'days_supply - 1') }}
            end,
            event_date
        ) as drug_exposure_end_date,
        cast(null as timestamp) as drug_exposure_end_datetime,
        verbatim_end_date,
        type_concept_id as drug_type_concept_id,
        cast(null as {{ dbt.type_string() }}) as stop_reason,
        refills,
        quantity,
        days_supply,
        cast(null as {{ dbt.type_string() }}) as sig,
        route_concept_id,
        cast(null as {{ dbt.type_string() }}) as lot_number,
        cast(null as bigint) as provider_id,
        visit_occurrence_id,
        cast(null as bigint) as visit_detail_id,
        source_value as drug_source_value,
        source_concept_id as drug_source_concept_id,
        cast(null as {{ dbt.type_string() }}) as route_source_value,
        cast(null as {{ dbt.type_string() }}) as dose_unit_source_value,
        event_date,
        known_date,
        details_known_date,
        delivery_id,
        source_table,
        file_no,
        line_no

    from mapped

)

select * from drug_exposures
