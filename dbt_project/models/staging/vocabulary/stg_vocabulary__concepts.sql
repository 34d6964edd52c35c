with

source as (

    select * from {{ source('vocabulary', 'concept') }}

),

renamed as (

    select
        cast(concept_id as integer) as concept_id,
        cast(concept_name as varchar) as concept_name,
        cast(domain_id as varchar) as domain_id,
        cast(vocabulary_id as varchar) as vocabulary_id,
        cast(concept_class_id as varchar) as concept_class_id,
        cast(standard_concept as varchar) as standard_concept,
        cast(concept_code as varchar) as concept_code,
        cast(valid_start_date as date) as valid_start_date,
        cast(valid_end_date as date) as valid_end_date,
        cast(invalid_reason as varchar) as invalid_reason

    from source

)

select * from renamed
