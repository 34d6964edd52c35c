-- What this build is. Its dates are those of the latest delivery and never the
-- day of the build: building again gives the same row.
with

latest_delivery as (

    select * from {{ ref('int_deliveries') }}
    where is_latest

),

vocabularies as (

    select * from {{ ref('stg_vocabulary__vocabularies') }}

),

-- The row None carries the version of the vocabularies as a whole.
vocabulary_version as (

    select max(vocabulary_version) as vocabulary_version
    from vocabularies
    where vocabulary_id = 'None'

),

cdm_sources as (

    select
        '{{ target.name }}' as cdm_source_name,
        '{{ target.name }}' as cdm_source_abbreviation,
        '{{ target.name }}' as cdm_holder,
        cast(null as {{ dbt.type_string() }}) as source_description,
        cast(null as {{ dbt.type_string() }})
            as source_documentation_reference,
        cast(null as {{ dbt.type_string() }}) as cdm_etl_reference,
        latest_delivery.as_of as source_release_date,
        latest_delivery.as_of as cdm_release_date,
        '5.4' as cdm_version,
        {{ unmapped_concept_id() }} as cdm_version_concept_id,
        coalesce(vocabulary_version.vocabulary_version, 'none')
            as vocabulary_version

    from latest_delivery

    cross join vocabulary_version

)

select * from cdm_sources
