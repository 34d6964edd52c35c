-- KCD is written with and without its dot, and its eighth revision has no concepts
-- of its own in OMOP: a code is looked up in the revision that the row names, in
-- the one before, and in ICD-10, of which KCD is made. No digit is cut off.
with

source as (

    select * from {{ source('hospital_csv', 'diagnoses') }}

),

status_rules as (

    select * from {{ ref('status_rules') }}

),

revisions as (

    select * from {{ ref('kcd_revisions') }}

),

mapped_codes as (

    select distinct
        vocabulary_id,
        code
    from {{ ref('stg_vocabulary__codes_mapped') }}

    where standard_concept_id <> {{ unmapped_concept_id() }}

),

ranked as (

    select
        revisions.kcd_version,
        mapped_codes.code,
        mapped_codes.vocabulary_id,
        row_number() over (
            partition by revisions.kcd_version, mapped_codes.code
            order by revisions.preference
        ) as choice

    from revisions

    inner join mapped_codes
        on revisions.vocabulary_id = mapped_codes.vocabulary_id

),

chosen as (

    select * from ranked
    where choice = 1

),

dotted as (

    select
        *,
        {{ kcd_with_dot('kcd_code') }} as code

    from source

),

renamed as (

    select
        -- place
        dotted.delivery_id,
        'diagnoses' as source_table,
        dotted.file_no,
        dotted.line_no,
        0 as part,

        -- record
        dotted.diagnosis_no as record_id,
        {{ content_hash('dotted', ['code']) }} as content_hash,
        cast(null as varchar) as source_version,
        dotted.patient_no as person_id,
        dotted.encounter_no as delivered_visit_id,
        status_rules.rule as exclusion_rule,

        -- dates
        dotted.diagnosed_date as delivered_event_date,
        cast(null as date) as end_date,
        cast(dotted.recorded_datetime as date) as recorded_date,
        cast(null as date) as fallback_known_date,

        -- code
        coalesce(chosen.vocabulary_id, dotted.kcd_version) as vocabulary_id,
        dotted.code as source_value,
        cast(null as integer) as delivered_concept_id,
        cast(null as integer) as delivered_source_concept_id,
        {{ ehr_type_concept_id() }} as type_concept_id,

        -- of this kind
        cast(null as integer) as condition_status_concept_id

    from dotted

    left join status_rules
        on dotted.diagnosis_type = status_rules.status

    left join chosen
        on
            dotted.kcd_version = chosen.kcd_version
            and dotted.code = chosen.code

)

select * from renamed
