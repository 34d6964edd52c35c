-- An Observation as facts: its own value, if it has one or has nothing else, and
-- one fact for each component. A blood pressure panel is two facts.
with

source as (

    select * from {{ source('fhir_r4', 'observation') }}

),

status_rules as (

    select * from {{ ref('status_rules') }}

),

codings_chosen as (

    select * from {{ ref('stg_fhir_r4__codings_chosen') }}

),

listed as (

    select
        delivery_id,
        file_no,
        line_no,
        observation_id,
        {{ content_hash('source', fhir_version_columns()) }}
            as content_hash,
        {{ fhir_source_version() }} as source_version,
        patient_id,
        encounter_id,
        status,
        effective_date,
        issued_date,
        coalesce(
            list_has_any(category_codes, ['survey', 'social-history']), false
        ) as is_about_the_person,
        value_string is not null
        and value_number is null
        and coalesce(len(value_codings), 0) = 0
        and coalesce(len(components), 0) = 0 as is_text,
        list_concat(
            case
                when
                    value_number is not null
                    or value_string is not null
                    or coalesce(len(value_codings), 0) > 0
                    or coalesce(len(components), 0) = 0
                    then [
                        struct_pack(
                            codings := codings,
                            value_number := value_number,
                            value_comparator := value_comparator,
                            value_unit := value_unit,
                            value_codings := value_codings,
                            value_string := value_string
                        )
                    ]
                else []
            end,
            coalesce(components, [])
        ) as facts

    from source

),

facts as (

    select
        delivery_id,
        file_no,
        line_no,
        observation_id,
        content_hash,
        source_version,
        patient_id,
        encounter_id,
        status,
        effective_date,
        issued_date,
        is_about_the_person,
        is_text,
        generate_subscripts(facts, 1) - 1 as part,
        unnest(facts) as fact

    from listed

),

renamed as (

    select
        -- place
        facts.delivery_id,
        'observation' as source_table,
        facts.file_no,
        facts.line_no,
        cast(facts.part as integer) as part,

        -- record
        facts.observation_id as record_id,
        facts.content_hash,
        facts.source_version,
        facts.patient_id as person_id,
        facts.encounter_id as delivered_visit_id,
        status_rules.rule as exclusion_rule,

        -- dates
        coalesce(facts.effective_date, facts.issued_date)
            as delivered_event_date,
        coalesce(facts.issued_date, facts.effective_date) as recorded_date,

        -- code
        codings_chosen.vocabulary_id,
        codings_chosen.code as source_value,

        -- value
        facts.fact.value_number as value_as_number,
        facts.fact.value_comparator,
        facts.fact.value_comparator || regexp_replace(
            cast(facts.fact.value_number as varchar), '[.]0$', ''
        ) as value_as_bound,
        facts.fact.value_string as value_as_string,
        values_chosen.vocabulary_id as value_vocabulary_id,
        values_chosen.code as value_code,
        facts.fact.value_unit as unit_code,

        -- Where the fact stays if its code is not mapped.
        not facts.is_about_the_person
        and not facts.is_text as is_measurement

    from facts

    left join status_rules
        on facts.status = status_rules.status

    left join codings_chosen
        on facts.fact.codings = codings_chosen.codings

    left join codings_chosen as values_chosen
        on facts.fact.value_codings = values_chosen.codings

)

select * from renamed
