with

settled as (

    select * from {{ ref('int_dose_eras_settled') }}
    where fate = 'in_omop'

),

final as (

    select
        dose_era_id,
        person_id,
        drug_concept_id,
        unit_concept_id,
        dose_value,
        dose_era_start_date,
        dose_era_end_date

    from settled

)

select * from final
