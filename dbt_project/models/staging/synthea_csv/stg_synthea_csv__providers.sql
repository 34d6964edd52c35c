with

source as (

    select * from {{ source('synthea_csv', 'providers') }}

),

person_codes as (

    select * from {{ ref('person_codes') }}

),

renamed as (

    select
        -- place
        source.delivery_id,
        'providers' as source_table,
        source.file_no,
        source.line_no,

        -- record
        source.provider_id as record_id,
        {{ content_hash() }} as content_hash,
        cast(null as varchar) as source_version,
        cast(null as varchar) as exclusion_rule,

        -- provider
        cast(null as integer) as specialty_concept_id,
        source.care_site_id,
        genders.concept_id as gender_concept_id,
        source.speciality as specialty_source_value,
        cast(null as integer) as specialty_source_concept_id,
        source.gender as gender_source_value,
        cast(null as integer) as gender_source_concept_id

    from source

    left join person_codes as genders
        on
            genders.field = 'gender'
            and source.gender = genders.source_value

)

select * from renamed
