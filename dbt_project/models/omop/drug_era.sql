with

drug_eras as (

    select * from {{ ref('int_drug_eras') }}

),

final as (

    select
        drug_era_id,
        person_id,
        drug_concept_id,
        drug_era_start_date,
        drug_era_end_date,
        drug_exposure_count,
        gap_days

    from drug_eras

)

select * from final
