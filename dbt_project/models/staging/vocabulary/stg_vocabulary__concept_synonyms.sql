with

source as (

    select * from {{ source('vocabulary', 'concept_synonym') }}

),

renamed as (

    select
        cast(concept_id as integer) as concept_id,
        cast(concept_synonym_name as varchar) as concept_synonym_name,
        cast(language_concept_id as integer) as language_concept_id

    from source

)

select * from renamed
