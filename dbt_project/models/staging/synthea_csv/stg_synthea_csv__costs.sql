-- What was charged and paid for an encounter. A transfer moves a debt from one
-- payer to the next and is no cost. Insurances pay by ECHECK, persons in the ways
-- below; of a payment by another way it is not said who paid.
{% set paid_by_persons = "('COPAY', 'CASH', 'CHECK', 'CC')" %}
with

source as (

    select * from {{ source('synthea_csv', 'claims_transactions') }}

),

renamed as (

    select
        -- place
        delivery_id,
        'claims_transactions' as source_table,
        file_no,
        line_no,

        -- record
        transaction_id as record_id,
        {{ content_hash() }} as content_hash,
        cast(null as varchar) as source_version,
        patient_id as person_id,
        'Visit' as record_domain_id,
        encounter_id as delivered_record_id,
        case when type not in ('CHARGE', 'PAYMENT') then 'no_charge_or_payment' end
            as exclusion_rule,

        -- cost
        {{ ehr_type_concept_id() }} as cost_type_concept_id,
        cast(null as integer) as currency_concept_id,
        case when type = 'CHARGE' then amount end as total_charge,
        cast(null as double) as total_cost,
        payments as total_paid,
        case when method = 'ECHECK' then payments end as paid_by_payer,
        case when method in {{ paid_by_persons }} then payments end
            as paid_by_patient,
        case when method = 'COPAY' then payments end as paid_patient_copay,
        cast(null as double) as paid_patient_coinsurance,
        cast(null as double) as paid_patient_deductible,
        cast(null as double) as paid_by_primary,
        cast(null as double) as paid_ingredient_cost,
        cast(null as double) as paid_dispensing_fee,
        cast(null as double) as amount_allowed,
        cast(null as bigint) as payer_plan_period_id,
        cast(null as integer) as revenue_code_concept_id,
        cast(null as integer) as drg_concept_id

    from source

)

select * from renamed
