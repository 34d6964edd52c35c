with

cdm_sources as (

    select * from {{ ref('int_cdm_sources') }}

),

final as (

    select
        cdm_source_name,
        cdm_source_abbreviation,
        cdm_holder,
        source_description,
        source_documentation_reference,
        cdm_etl_reference,
        source_release_date,
        cdm_release_date,
        cdm_version,
        cdm_version_concept_id,
        vocabulary_version

    from cdm_sources

)

select * from final
