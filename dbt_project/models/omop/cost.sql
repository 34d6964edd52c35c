-- Costs are those of visits: no format delivers others.
with

settled as (

    select * from {{ ref('int_costs_settled') }}
    where fate = 'in_omop'

),

final as (

    select
        cost_id,
        visit_occurrence_id as cost_event_id,
        'Visit' as cost_domain_id,
        cost_type_concept_id,
        cast(null as integer) as currency_concept_id,
        total_charge,
        cast(null as double) as total_cost,
        total_paid,
        paid_by_payer,
        paid_by_patient,
        paid_patient_copay,
        cast(null as double) as paid_patient_coinsurance,
        cast(null as double) as paid_patient_deductible,
        cast(null as double) as paid_by_primary,
        cast(null as double) as paid_ingredient_cost,
        cast(null as double) as paid_dispensing_fee,
        cast(null as bigint) as payer_plan_period_id,
        cast(null as double) as amount_allowed,
        cast(null as integer) as revenue_code_concept_id,
        cast(null as {{ dbt.type_string() }}) as revenue_code_source_value,
        cast(null as integer) as drg_concept_id,
        cast(null as {{ dbt.type_string() }}) as drg_source_value

    from settled

)

select * from final
