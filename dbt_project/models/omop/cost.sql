with

settled as (

    select * from {{ ref('int_costs_settled') }}
    where fate = 'in_omop'

),

final as (

    select
        cost_id,
        found_record_id as cost_event_id,
        record_domain_id as cost_domain_id,
        cost_type_concept_id,
        currency_concept_id,
        total_charge,
        total_cost,
        total_paid,
        paid_by_payer,
        paid_by_patient,
        paid_patient_copay,
        paid_patient_coinsurance,
        paid_patient_deductible,
        paid_by_primary,
        paid_ingredient_cost,
        paid_dispensing_fee,
        payer_plan_period_id,
        amount_allowed,
        revenue_code_concept_id,
        cast(null as {{ dbt.type_string() }}) as revenue_code_source_value,
        drg_concept_id,
        cast(null as {{ dbt.type_string() }}) as drg_source_value

    from settled

)

select * from final
