with

settled as (

    select * from {{ ref('int_payer_plan_periods_settled') }}
    where fate = 'in_omop'

),

final as (

    select
        payer_plan_period_id,
        person_id,
        payer_plan_period_start_date,
        payer_plan_period_end_date,
        payer_concept_id,
        payer_source_value,
        payer_source_concept_id,
        plan_concept_id,
        plan_source_value,
        plan_source_concept_id,
        sponsor_concept_id,
        sponsor_source_value,
        sponsor_source_concept_id,
        cast(null as {{ dbt.type_string() }}) as family_source_value,
        stop_reason_concept_id,
        stop_reason_source_value,
        stop_reason_source_concept_id

    from settled

)

select * from final
