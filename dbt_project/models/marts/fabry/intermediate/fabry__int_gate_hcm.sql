-- Gate: hypertrophic cardiomyopathy.
with

records as (

    select * from {{ ref('fabry__int_aged_records') }}

),

met as (

    select
        person_id,
        min(evidence_date) as gate_date

    from records

    where concept_set = 'hypertrophic_cardiomyopathy'

    group by person_id

)

select * from met
