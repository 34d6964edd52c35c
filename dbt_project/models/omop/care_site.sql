with

settled as (

    select * from {{ ref('int_care_sites_settled') }}
    where fate = 'in_omop'

),

final as (

    select
        care_site_id,
        care_site_name,
        place_of_service_concept_id,
        location_id,
        cast(null as {{ dbt.type_string() }}) as care_site_source_value,
        place_of_service_source_value

    from settled

)

select * from final
