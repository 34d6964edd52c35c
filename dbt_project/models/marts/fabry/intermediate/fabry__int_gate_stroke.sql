-- Gate: ischaemic stroke or transient ischaemic attack before the age of 55.
with

records as (

    select * from {{ ref('fabry__int_aged_records') }}

),

met as (

    select
        person_id,
        min(evidence_date) as gate_date

    from records

    where concept_set = 'stroke_or_tia' and age_in_years < 55

    group by person_id

)

select * from met
