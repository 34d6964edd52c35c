-- Definite Fabry disease of a man by his enzyme: activity below the cut-off on two
-- days, and lyso-Gb3 above its own. Women need a gene test: their enzyme activity
-- is often normal.
with

results as (

    select * from {{ ref('fabry__int_test_results') }}

),

persons as (

    select * from {{ ref('int_persons') }}

),

concept_set_members as (

    select * from {{ ref('int_concept_set_members') }}

),

ranked as (

    select
        person_id,
        kind,
        evidence_date,
        row_number() over (
            partition by person_id, kind order by evidence_date
        ) as sample_number

    from results

),

reached as (

    select
        person_id,
        min(case
            when kind = 'enzyme_low' and sample_number = 2 then evidence_date
        end) as second_low_date,
        min(case
            when kind = 'lyso_gb3_high' then evidence_date
        end) as lyso_gb3_date

    from ranked

    group by person_id

),

definite as (

    select
        reached.person_id,
        greatest(reached.second_low_date, reached.lyso_gb3_date)
            as definite_date

    from reached

    inner join persons
        on reached.person_id = persons.person_id

    inner join concept_set_members
        on persons.gender_concept_id = concept_set_members.concept_id

    where
        concept_set_members.concept_set = 'male'
        and reached.second_low_date is not null
        and reached.lyso_gb3_date is not null

)

select * from definite
