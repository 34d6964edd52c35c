with

any_asthma as (

    select * from {{ ref('asthma__int_any_asthma') }}

),

persons as (

    select * from {{ ref('int_persons') }}

),

korean_claims as (

    select * from {{ ref('asthma__int_korean_claims') }}

),

persistent as (

    select * from {{ ref('asthma__int_persistent') }}

),

pl_334 as (

    select * from {{ ref('asthma__int_pl_334') }}

),

pl_27 as (

    select * from {{ ref('asthma__int_pl_27') }}

),

base_cohort as (

    select * from {{ ref('asthma__int_base_cohort') }}

),

concept_set_members as (

    select * from {{ ref('int_concept_set_members') }}

),

egpa_concepts as (

    select count(*) as concept_count

    from concept_set_members

    where concept_set = 'egpa'

),

sexes as (

    select
        concept_id,
        concept_set = 'female' as is_female

    from concept_set_members

    where concept_set in ('female', 'male')

),

cohort as (

    select
        any_asthma.person_id,
        persons.split_key,

        persons.gender_concept_id as sex_concept_id,
        sexes.is_female,
        {{ completed_years(
            'persons.year_of_birth',
            'persons.month_of_birth',
            'any_asthma.any_asthma_date'
        ) }} as age_at_any_asthma,

        any_asthma.any_asthma_date,
        korean_claims.korean_claims_date,
        persistent.persistent_date,

        -- High-dose inhaled steroid is needed in every arm, and the dose
        -- inhaled in a day is not derivable from what the CDM holds.
        cast(null as date) as severe_date,
        false as severe_is_assessable,

        pl_334.pl_334_date,
        pl_27.pl_27_date,
        pl_27.pl_27_censor_date,

        base_cohort.base_cohort_date,
        base_cohort.base_cohort_censor_date,
        coalesce(base_cohort.is_assessable, true)
            as base_cohort_is_assessable,
        egpa_concepts.concept_count > 0 as base_cohort_egpa_is_assessed

    from any_asthma

    inner join persons
        on any_asthma.person_id = persons.person_id

    left join sexes
        on persons.gender_concept_id = sexes.concept_id

    left join korean_claims
        on any_asthma.person_id = korean_claims.person_id

    left join persistent
        on any_asthma.person_id = persistent.person_id

    left join pl_334
        on any_asthma.person_id = pl_334.person_id

    left join pl_27
        on any_asthma.person_id = pl_27.person_id

    left join base_cohort
        on any_asthma.person_id = base_cohort.person_id

    cross join egpa_concepts

)

select * from cohort
