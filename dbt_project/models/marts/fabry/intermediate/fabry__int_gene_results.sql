-- Results of the GLA gene test, by class of the variant. A variant of uncertain
-- significance and a benign one are no evidence of disease.
with

measurements as (

    select * from {{ ref('int_measurements') }}

),

concept_set_members as (

    select * from {{ ref('int_concept_set_members') }}

),

gene_tests as (

    select concept_id

    from concept_set_members

    where concept_set = 'fabry_gla_test'

),

classes as (

    select
        concept_set as kind,
        concept_id

    from concept_set_members

    where
        concept_set in ('gla_pathogenic', 'gla_uncertain', 'gla_benign')

),

gene_results as (

    select
        measurements.person_id,
        classes.kind,
        measurements.event_date,
        min({{ evidence_date('measurements') }}) as evidence_date

    from measurements

    inner join gene_tests
        on measurements.measurement_concept_id = gene_tests.concept_id

    inner join classes
        on measurements.value_as_concept_id = classes.concept_id

    where
        measurements.event_date is not null
        and measurements.known_date is not null

    group by measurements.person_id, classes.kind, measurements.event_date

)

select * from gene_results
