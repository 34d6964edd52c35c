-- What is named before it or above it and not delivered is nulled.
with

settled as (

    select * from {{ ref('int_visit_details_settled') }}
    where fate = 'in_omop'

),

final as (

    select
        settled.visit_detail_id,
        settled.person_id,
        settled.visit_detail_concept_id,
        settled.visit_detail_start_date,
        cast(null as timestamp) as visit_detail_start_datetime,
        settled.visit_detail_end_date,
        cast(null as timestamp) as visit_detail_end_datetime,
        settled.visit_detail_type_concept_id,
        settled.provider_id,
        settled.care_site_id,
        cast(null as {{ dbt.type_string() }}) as visit_detail_source_value,
        settled.visit_detail_source_concept_id,
        settled.admitted_from_concept_id,
        cast(null as {{ dbt.type_string() }}) as admitted_from_source_value,
        cast(null as {{ dbt.type_string() }}) as discharged_to_source_value,
        settled.discharged_to_concept_id,
        preceding.visit_detail_id as preceding_visit_detail_id,
        parents.visit_detail_id as parent_visit_detail_id,
        settled.visit_occurrence_id

    from settled

    left join settled as preceding
        on settled.preceding_visit_detail_id = preceding.visit_detail_id

    left join settled as parents
        on settled.parent_visit_detail_id = parents.visit_detail_id

)

select * from final
