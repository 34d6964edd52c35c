with

source as (

    select * from {{ source('hospital_csv', 'procedures') }}

),

renamed as (

    select
        -- place
        delivery_id,
        'procedures' as source_table,
        file_no,
        line_no,
        0 as part,

        -- record
        procedure_no as record_id,
        {{ content_hash() }} as content_hash,
        cast(null as varchar) as source_version,
        patient_no as person_id,
        encounter_no as delivered_visit_id,
        cast(null as varchar) as exclusion_rule,

        -- dates
        performed_date as delivered_event_date,
        cast(null as date) as end_date,
        cast(recorded_datetime as date) as recorded_date,
        cast(null as date) as fallback_known_date,

        -- code
        'LOCAL_PROCEDURE' as vocabulary_id,
        procedure_code as source_value,
        cast(null as integer) as delivered_concept_id,
        cast(null as integer) as delivered_source_concept_id,
        {{ ehr_type_concept_id() }} as type_concept_id,

        -- of this kind
        cast(null as integer) as modifier_concept_id,
        cast(null as integer) as quantity

    from source

)

select * from renamed
