-- Organ involvement that supports a diagnosis of Fabry disease: neuropathic pain,
-- proteinuria or chronic kidney disease, left ventricular hypertrophy or
-- hypertrophic cardiomyopathy, stroke or TIA before 55, cornea verticillata or
-- angiokeratoma.
with

records as (

    select * from {{ ref('fabry__int_aged_records') }}

),

organ_evidence as (

    select
        person_id,
        concept_set as kind,
        event_date,
        evidence_date

    from records

    where
        concept_set in (
            'neuropathic_pain',
            'proteinuria',
            'chronic_kidney_disease',
            'left_ventricular_hypertrophy',
            'hypertrophic_cardiomyopathy',
            'cornea_verticillata',
            'angiokeratoma'
        )
        or (concept_set = 'stroke_or_tia' and age_in_years < 55)

)

select * from organ_evidence
