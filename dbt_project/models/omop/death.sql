with

deaths as (

    select * from {{ ref('int_deaths') }}

),

final as (

    select
        person_id,
        death_date,
        death_datetime,
        death_type_concept_id,
        cause_concept_id,
        cause_source_value,
        cause_source_concept_id

    from deaths

)

select * from final
