-- Probable Fabry disease: a pair of diagnosis days, and an organ involved or any
-- test of enzyme, lyso-Gb3 or gene.
with

pairs as (

    select * from {{ ref('fabry__int_diagnosis_pairs') }}

),

organ_evidence as (

    select * from {{ ref('fabry__int_organ_evidence') }}

),

records as (

    select * from {{ ref('fabry__int_records') }}

),

support as (

    select
        person_id,
        evidence_date

    from organ_evidence

    union all

    select
        person_id,
        evidence_date

    from records

    where
        concept_set in (
            'fabry_enzyme_test', 'fabry_lyso_gb3_test', 'fabry_gla_test'
        )

),

first_support as (

    select
        person_id,
        min(evidence_date) as support_date

    from support

    group by person_id

),

probable as (

    select
        pairs.person_id,
        greatest(pairs.pair_date, first_support.support_date)
            as probable_date

    from pairs

    inner join first_support
        on pairs.person_id = first_support.person_id

)

select * from probable
