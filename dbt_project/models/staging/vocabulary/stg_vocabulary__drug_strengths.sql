with

source as (

    select * from {{ source('vocabulary', 'drug_strength') }}

),

renamed as (

    select
        cast(drug_concept_id as integer) as drug_concept_id,
        cast(ingredient_concept_id as integer) as ingredient_concept_id,
        cast(amount_value as double) as amount_value,
        cast(amount_unit_concept_id as integer) as amount_unit_concept_id,
        cast(numerator_value as double) as numerator_value,
        cast(numerator_unit_concept_id as integer) as numerator_unit_concept_id,
        cast(denominator_value as double) as denominator_value,
        cast(denominator_unit_concept_id as integer) as denominator_unit_concept_id,
        cast(box_size as integer) as box_size,
        cast(valid_start_date as date) as valid_start_date,
        cast(valid_end_date as date) as valid_end_date,
        cast(invalid_reason as varchar) as invalid_reason

    from source

)

select * from renamed
