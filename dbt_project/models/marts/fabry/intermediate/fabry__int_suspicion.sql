-- The first day on which a hospital is known to have thought of Fabry disease: its
-- diagnosis (E75.2), a test of enzyme, lyso-Gb3 or gene, ordered or resulted, a
-- clinical genetics visit, or its therapy.
with

records as (

    select * from {{ ref('fabry__int_records') }}

),

suspicion as (

    select
        person_id,
        min(evidence_date) as suspicion_date

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

    group by person_id

)

select * from suspicion
