-- Prescriptions, administrations and immunisations: one row each.
with

medication_request as (

    select * from {{ source('fhir_r4', 'medication_request') }}

),

medication_administration as (

    select * from {{ source('fhir_r4', 'medication_administration') }}

),

immunization as (

    select * from {{ source('fhir_r4', 'immunization') }}

),

status_rules as (

    select * from {{ ref('status_rules') }}

),

codings_chosen as (

    select * from {{ ref('stg_fhir_r4__codings_chosen') }}

),

mapped_codes as (

    select
        vocabulary_id,
        code,
        standard_concept_id
    from {{ ref('stg_vocabulary__codes_mapped') }}

    where target_no = 1

),

routes as (

    select
        codings_chosen.codings,
        mapped_codes.standard_concept_id
    from codings_chosen

    inner join mapped_codes
        on
            codings_chosen.vocabulary_id = mapped_codes.vocabulary_id
            and codings_chosen.code = mapped_codes.code

),

medication_requests as (

    select
        medication_request.delivery_id,
        'medication_request' as source_table,
        medication_request.file_no,
        medication_request.line_no,
        medication_request.medication_request_id as record_id,
        {{ content_hash('medication_request', fhir_version_columns()) }}
            as content_hash,
        {{ fhir_source_version('medication_request') }}
            as source_version,
        medication_request.patient_id as person_id,
        medication_request.encounter_id as delivered_visit_id,
        coalesce(status_rules.rule, intent_rules.rule) as exclusion_rule,
        medication_request.authored_date as delivered_event_date,
        cast(null as date) as end_date,
        medication_request.supply_quantity as quantity,
        cast(round(medication_request.supply_days) as integer) as days_supply,
        medication_request.codings,
        medication_request.route_codings

    from medication_request

    left join status_rules
        on medication_request.status = status_rules.status

    left join status_rules as intent_rules
        on medication_request.intent = intent_rules.status

),

medication_administrations as (

    select
        medication_administration.delivery_id,
        'medication_administration' as source_table,
        medication_administration.file_no,
        medication_administration.line_no,
        medication_administration.medication_administration_id as record_id,
        {{ content_hash('medication_administration', fhir_version_columns()) }}
            as content_hash,
        {{ fhir_source_version('medication_administration') }}
            as source_version,
        medication_administration.patient_id as person_id,
        medication_administration.encounter_id as delivered_visit_id,
        status_rules.rule as exclusion_rule,
        medication_administration.start_date as delivered_event_date,
        medication_administration.end_date,
        cast(null as double) as quantity,
        cast(null as integer) as days_supply,
        medication_administration.codings,
        medication_administration.route_codings

    from medication_administration

    left join status_rules
        on medication_administration.status = status_rules.status

),

immunizations as (

    select
        immunization.delivery_id,
        'immunization' as source_table,
        immunization.file_no,
        immunization.line_no,
        immunization.immunization_id as record_id,
        {{ content_hash('immunization', fhir_version_columns()) }}
            as content_hash,
        {{ fhir_source_version('immunization') }}
            as source_version,
        immunization.patient_id as person_id,
        immunization.encounter_id as delivered_visit_id,
        status_rules.rule as exclusion_rule,
        immunization.occurrence_date as delivered_event_date,
        immunization.occurrence_date as end_date,
        cast(null as double) as quantity,
        cast(null as integer) as days_supply,
        immunization.codings,
        null as route_codings

    from immunization

    left join status_rules
        on immunization.status = status_rules.status

),

unioned as (

    select * from medication_requests

    union all

    select * from medication_administrations

    union all

    select * from immunizations

),

renamed as (

    select
        -- place
        unioned.delivery_id,
        unioned.source_table,
        unioned.file_no,
        unioned.line_no,
        0 as part,

        -- record
        unioned.record_id,
        unioned.content_hash,
        unioned.source_version,
        unioned.person_id,
        unioned.delivered_visit_id,
        unioned.exclusion_rule,

        -- dates: each is written down when it is ordered or given
        unioned.delivered_event_date,
        unioned.end_date,
        unioned.delivered_event_date as recorded_date,
        cast(null as date) as fallback_known_date,

        -- code
        codings_chosen.vocabulary_id,
        codings_chosen.code as source_value,
        cast(null as integer) as delivered_concept_id,
        cast(null as integer) as delivered_source_concept_id,
        {{ ehr_type_concept_id() }} as type_concept_id,

        -- of this kind
        unioned.end_date as verbatim_end_date,
        cast(null as integer) as refills,
        unioned.quantity,
        unioned.days_supply,
        routes.standard_concept_id as route_concept_id

    from unioned

    left join codings_chosen
        on unioned.codings = codings_chosen.codings

    left join routes
        on unioned.route_codings = routes.codings

)

select * from renamed
