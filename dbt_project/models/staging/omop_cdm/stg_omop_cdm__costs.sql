-- Of the keys that a cost may mean only one is there: that of its domain.
with

source as (

    select * from {{ source('omop_cdm', 'cost') }}

),

renamed as (

    select
        -- place
        delivery_id,
        'cost' as source_table,
        file_no,
        line_no,

        -- record
        cost_id as record_id,
        {{ content_hash() }} as content_hash,
        cast(null as varchar) as source_version,
        person_id,
        cost_domain_id as record_domain_id,
        coalesce(
            visit_occurrence_id,
            condition_occurrence_id,
            drug_exposure_id,
            procedure_occurrence_id,
            device_exposure_id,
            measurement_id,
            observation_id,
            specimen_id
        ) as delivered_record_id,
        cast(null as varchar) as exclusion_rule,

        -- cost
        coalesce(cost_type_concept_id, {{ unmapped_concept_id() }})
            as cost_type_concept_id,
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
        amount_allowed,
        payer_plan_period_id,
        revenue_code_concept_id,
        drg_concept_id

    from source

)

select * from renamed
