with

source as (

    select * from {{ source('vocabulary', 'concept_class') }}

),

renamed as (

    select
        cast(concept_class_id as varchar) as concept_class_id,
        cast(concept_class_name as varchar) as concept_class_name,
        cast(concept_class_concept_id as integer) as concept_class_concept_id

    from source

)

select * from renamed
