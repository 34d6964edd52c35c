-- Everything recorded that Fabry disease is told by, or told apart by: days with a
-- record of a concept set, each usable from the first of its records that is known.
with

concept_set_members as (

    select * from {{ ref('int_concept_set_members') }}

),

features as (

    select * from {{ ref('fabry_features') }}

),

conditions as (

    select * from {{ ref('int_condition_occurrences') }}

),

procedures as (

    select * from {{ ref('int_procedure_occurrences') }}

),

observations as (

    select * from {{ ref('int_observations') }}

),

drug_exposures as (

    select * from {{ ref('int_drug_exposures') }}

),

measurements as (

    select * from {{ ref('int_measurements') }}

),

wanted as (

    select distinct
        concept_set_members.concept_set,
        concept_set_members.concept_id

    from concept_set_members

    left join features
        on concept_set_members.concept_set = features.concept_set

    where
        features.concept_set is not null
        or concept_set_members.concept_set in (
            'fabry_disease',
            'fabry_therapy',
            'fabry_enzyme_test',
            'fabry_lyso_gb3_test',
            'fabry_gla_test',
            'genetics_visit',
            'end_stage_kidney_disease'
        )

),

coded as (

    select
        person_id,
        condition_concept_id as concept_id,
        event_date,
        known_date

    from conditions

    union all

    select
        person_id,
        procedure_concept_id as concept_id,
        event_date,
        known_date

    from procedures

    union all

    select
        person_id,
        observation_concept_id as concept_id,
        event_date,
        known_date

    from observations

    union all

    select
        person_id,
        drug_concept_id as concept_id,
        event_date,
        known_date

    from drug_exposures

    union all

    select
        person_id,
        measurement_concept_id as concept_id,
        event_date,
        known_date

    from measurements

),

records as (

    select
        coded.person_id,
        wanted.concept_set,
        coded.event_date,
        min({{ evidence_date('coded') }}) as evidence_date

    from coded

    inner join wanted
        on coded.concept_id = wanted.concept_id

    where
        coded.event_date is not null
        and coded.known_date is not null

    group by coded.person_id, wanted.concept_set, coded.event_date

)

select * from records
