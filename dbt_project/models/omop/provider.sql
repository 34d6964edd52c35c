with

settled as (

    select * from {{ ref('int_providers_settled') }}
    where fate = 'in_omop'

),

final as (

    select
        provider_id,
        cast(null as {{ dbt.type_string() }}) as provider_name,
        cast(null as {{ dbt.type_string() }}) as npi,
        cast(null as {{ dbt.type_string() }}) as dea,
        specialty_concept_id,
        care_site_id,
        cast(null as integer) as year_of_birth,
        gender_concept_id,
        cast(null as {{ dbt.type_string() }}) as provider_source_value,
        specialty_source_value,
        specialty_source_concept_id,
        gender_source_value,
        gender_source_concept_id

    from settled

)

select * from final
