with

source as (

    select * from {{ source('vocabulary', 'vocabulary') }}

),

renamed as (

    select
        cast(vocabulary_id as varchar) as vocabulary_id,
        cast(vocabulary_name as varchar) as vocabulary_name,
        cast(vocabulary_reference as varchar) as vocabulary_reference,
        cast(vocabulary_version as varchar) as vocabulary_version,
        cast(vocabulary_concept_id as integer) as vocabulary_concept_id

    from source

)

select * from renamed
