with

source as (

    select * from {{ source('fhir_r4', 'patient') }}

),

renamed as (

    select
        -- place
        source.delivery_id,
        'patient' as source_table,
        source.file_no,
        source.line_no,

        -- record
        source.patient_id as record_id,
        {{ content_hash('source', fhir_version_columns()) }}
            as content_hash,
        {{ fhir_source_version() }}
            as source_version,
        source.patient_id as person_id,

        -- death
        source.deceased_date as death_date,
        {{ ehr_type_concept_id() }} as death_type_concept_id,
        cast(null as integer) as cause_concept_id,
        cast(null as integer) as cause_source_concept_id

    from source

)

select * from renamed
