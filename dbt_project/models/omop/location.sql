with

settled as (

    select * from {{ ref('int_locations_settled') }}
    where fate = 'in_omop'

),

final as (

    select
        location_id,
        cast(null as {{ dbt.type_string() }}) as address_1,
        cast(null as {{ dbt.type_string() }}) as address_2,
        cast(null as {{ dbt.type_string() }}) as city,
        state,
        cast(null as {{ dbt.type_string() }}) as zip,
        county,
        cast(null as {{ dbt.type_string() }}) as location_source_value,
        country_concept_id,
        country_source_value,
        cast(null as double) as latitude,
        cast(null as double) as longitude

    from settled

)

select * from final
