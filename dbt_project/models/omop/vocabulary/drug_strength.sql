with

drug_strengths as (

    select * from {{ ref('stg_vocabulary__drug_strengths') }}

),

final as (

    select
        drug_concept_id,
        ingredient_concept_id,
        amount_value,
        amount_unit_concept_id,
        numerator_value,
        numerator_unit_concept_id,
        denominator_value,
        denominator_unit_concept_id,
        box_size,
        valid_start_date,
        valid_end_date,
        invalid_reason

    from drug_strengths

)

select * from final
