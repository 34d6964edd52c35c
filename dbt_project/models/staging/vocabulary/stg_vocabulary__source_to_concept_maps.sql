with

source as (

    select * from {{ source('vocabulary', 'source_to_concept_map') }}

),

renamed as (

    select
        cast(source_code as varchar) as source_code,
        cast(source_concept_id as integer) as source_concept_id,
        cast(source_vocabulary_id as varchar) as source_vocabulary_id,
        cast(source_code_description as varchar) as source_code_description,
        cast(target_concept_id as integer) as target_concept_id

    from source

)

select * from renamed
