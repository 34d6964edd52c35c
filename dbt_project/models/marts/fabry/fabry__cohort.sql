with

suspicion as (

    select * from {{ ref('fabry__int_suspicion') }}

),

records as (

    select * from {{ ref('fabry__int_records') }}

),

gene_results as (

    select * from {{ ref('fabry__int_gene_results') }}

),

probable as (

    select * from {{ ref('fabry__int_probable') }}

),

by_enzyme as (

    select * from {{ ref('fabry__int_definite_by_enzyme') }}

),

persons as (

    select * from {{ ref('int_persons') }}

),

concept_set_members as (

    select * from {{ ref('int_concept_set_members') }}

),

sexes as (

    select
        concept_id,
        concept_set = 'female' as is_female

    from concept_set_members

    where concept_set in ('female', 'male')

),

first_records as (

    select
        person_id,
        min(case
            when concept_set = 'fabry_disease' then evidence_date
        end) as possible_date,
        min(case
            when concept_set = 'fabry_therapy' then evidence_date
        end) as therapy_date

    from records

    group by person_id

),

first_pathogenic as (

    select
        person_id,
        min(evidence_date) as gene_date

    from gene_results

    where kind = 'gla_pathogenic'

    group by person_id

),

cohort as (

    select
        suspicion.person_id,
        persons.split_key,
        persons.gender_concept_id as sex_concept_id,
        sexes.is_female,
        suspicion.suspicion_date,
        first_records.possible_date,
        probable.probable_date,
        least(
            first_records.therapy_date,
            first_pathogenic.gene_date,
            by_enzyme.definite_date
        ) as definite_date,
        first_records.therapy_date as definite_by_therapy_date,
        first_pathogenic.gene_date as definite_by_gene_date,
        by_enzyme.definite_date as definite_by_enzyme_date

    from suspicion

    inner join persons
        on suspicion.person_id = persons.person_id

    left join sexes
        on persons.gender_concept_id = sexes.concept_id

    left join first_records
        on suspicion.person_id = first_records.person_id

    left join probable
        on suspicion.person_id = probable.person_id

    left join first_pathogenic
        on suspicion.person_id = first_pathogenic.person_id

    left join by_enzyme
        on suspicion.person_id = by_enzyme.person_id

)

select * from cohort
