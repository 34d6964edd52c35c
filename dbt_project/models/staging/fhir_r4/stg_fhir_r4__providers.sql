-- Practitioners, and their roles: what all roles of a practitioner say alike is
-- said of the practitioner. A role is no provider of its own.
with

practitioners as (

    select * from {{ source('fhir_r4', 'practitioner') }}

),

roles as (

    select * from {{ source('fhir_r4', 'practitioner_role') }}

),

person_codes as (

    select * from {{ ref('person_codes') }}

),

roles_agreed as (

    select
        provider_id,
        case
            when min(care_site_id) = max(care_site_id) then min(care_site_id)
        end as care_site_id,
        case when min(specialty) = max(specialty) then min(specialty) end
            as specialty

    from roles

    where provider_id is not null

    group by provider_id

),

practitioners_renamed as (

    select
        -- place
        practitioners.delivery_id,
        'practitioner' as source_table,
        practitioners.file_no,
        practitioners.line_no,

        -- record
        practitioners.provider_id as record_id,
        {{ content_hash('practitioners', fhir_version_columns()) }}
            as content_hash,
        {{ fhir_source_version('practitioners') }}
            as source_version,
        cast(null as varchar) as exclusion_rule,

        -- provider
        cast(null as integer) as specialty_concept_id,
        roles_agreed.care_site_id,
        genders.concept_id as gender_concept_id,
        roles_agreed.specialty as specialty_source_value,
        cast(null as integer) as specialty_source_concept_id,
        practitioners.gender as gender_source_value,
        cast(null as integer) as gender_source_concept_id

    from practitioners

    left join roles_agreed
        on practitioners.provider_id = roles_agreed.provider_id

    left join person_codes as genders
        on
            genders.field = 'gender'
            and practitioners.gender = genders.source_value

),

roles_renamed as (

    select
        -- place
        delivery_id,
        'practitioner_role' as source_table,
        file_no,
        line_no,

        -- record
        role_id as record_id,
        {{ content_hash('roles', fhir_version_columns()) }}
            as content_hash,
        {{ fhir_source_version('roles') }}
            as source_version,
        'said_of_its_provider' as exclusion_rule,

        -- provider
        cast(null as integer) as specialty_concept_id,
        care_site_id,
        cast(null as integer) as gender_concept_id,
        specialty as specialty_source_value,
        cast(null as integer) as specialty_source_concept_id,
        cast(null as varchar) as gender_source_value,
        cast(null as integer) as gender_source_concept_id

    from roles

),

unioned as (

    select * from practitioners_renamed

    union all

    select * from roles_renamed

)

select * from unioned
