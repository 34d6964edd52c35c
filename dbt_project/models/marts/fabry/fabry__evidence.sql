with

suspicion as (

    select * from {{ ref('fabry__int_suspicion') }}

),

records as (

    select * from {{ ref('fabry__int_records') }}

),

test_results as (

    select * from {{ ref('fabry__int_test_results') }}

),

gene_results as (

    select * from {{ ref('fabry__int_gene_results') }}

),

organ_evidence as (

    select * from {{ ref('fabry__int_organ_evidence') }}

),

persons as (

    select * from {{ ref('int_persons') }}

),

pieces as (

    select
        person_id,
        concept_set as kind,
        event_date,
        evidence_date,
        true as is_specific

    from records

    where
        concept_set in (
            'fabry_disease',
            'fabry_therapy',
            'fabry_enzyme_test',
            'fabry_lyso_gb3_test',
            'fabry_gla_test',
            'genetics_visit'
        )

    union all

    select
        person_id,
        kind,
        event_date,
        evidence_date,
        true as is_specific

    from test_results

    union all

    select
        person_id,
        kind,
        event_date,
        evidence_date,
        true as is_specific

    from gene_results

    union all

    select
        person_id,
        kind,
        event_date,
        evidence_date,
        false as is_specific

    from organ_evidence

),

evidence as (

    select
        pieces.person_id,
        persons.split_key,
        pieces.kind,
        pieces.event_date,
        pieces.evidence_date,
        pieces.is_specific

    from pieces

    inner join suspicion
        on pieces.person_id = suspicion.person_id

    inner join persons
        on pieces.person_id = persons.person_id

)

select * from evidence
