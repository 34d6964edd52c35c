with

condition_eras as (

    select * from {{ ref('int_condition_eras') }}

),

final as (

    select
        condition_era_id,
        person_id,
        condition_concept_id,
        condition_era_start_date,
        condition_era_end_date,
        condition_occurrence_count

    from condition_eras

)

select * from final
