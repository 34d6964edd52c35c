with

source as (

    select * from {{ source('vocabulary', 'concept_relationship') }}

),

renamed as (

    select
        cast(concept_id_1 as integer) as concept_id_1,
        cast(concept_id_2 as integer) as concept_id_2,
        cast(relationship_id as varchar) as relationship_id,
        cast(valid_start_date as date) as valid_start_date,
        cast(valid_end_date as date) as valid_end_date,
        cast(invalid_reason as varchar) as invalid_reason

    from source

)

select * from renamed
