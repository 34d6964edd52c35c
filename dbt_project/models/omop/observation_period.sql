with

observation_periods as (

    select * from {{ ref('int_observation_periods') }}

),

final as (

    select
        observation_period_id,
        person_id,
        observation_period_start_date,
        observation_period_end_date,
        period_type_concept_id

    from observation_periods

)

select * from final
