with

source as (

    select * from {{ source('synthea_csv', 'patients') }}

),

renamed as (

    select
        -- place
        delivery_id,
        'patients' as source_table,
        file_no,
        line_no,

        -- record
        patient_id as record_id,
        {{ content_hash() }} as content_hash,
        cast(null as varchar) as source_version,
        patient_id as person_id,

        -- death
        death_date,
        {{ ehr_type_concept_id() }} as death_type_concept_id,
        cast(null as integer) as cause_concept_id,
        cast(null as integer) as cause_source_concept_id

    from source

)

select * from renamed
