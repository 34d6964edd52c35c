with

source as (

    select * from {{ source('vocabulary', 'domain') }}

),

renamed as (

    select
        cast(domain_id as varchar) as domain_id,
        cast(domain_name as varchar) as domain_name,
        cast(domain_concept_id as integer) as domain_concept_id

    from source

)

select * from renamed
