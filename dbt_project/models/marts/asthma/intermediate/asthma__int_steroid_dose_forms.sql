-- How a steroid product is given, by the dose form in its standard name: oral,
-- injection, other (skin, eye, ear, nose, lung, gut), or unknown where the name
-- says none, as that of an ingredient.
with

concepts as (

    select * from {{ ref('concept') }}

),

concept_set_members as (

    select * from {{ ref('int_concept_set_members') }}

),

steroid_names as (

    select
        concepts.concept_id as drug_concept_id,
        lower(concepts.concept_name) as drug_name

    from concepts

    inner join concept_set_members
        on concepts.concept_id = concept_set_members.concept_id

    where concept_set_members.concept_set = 'systemic_steroid'

),

dose_forms as (

    select
        drug_concept_id,
        case
            when
                drug_name like '%oral tablet%'
                or drug_name like '%oral capsule%'
                or drug_name like '%oral solution%'
                or drug_name like '%oral suspension%'
                or drug_name like '%oral granules%'
                then 'oral'
            when
                drug_name like '%inject%'
                or drug_name like '%prefilled syringe%'
                then 'injection'
            when
                drug_name like '%topical%'
                or drug_name like '%cream%'
                or drug_name like '%ointment%'
                or drug_name like '%ophthalmic%'
                or drug_name like '%otic%'
                or drug_name like '%nasal%'
                or drug_name like '%inhal%'
                or drug_name like '%rectal%'
                or drug_name like '%implant%'
                then 'other'
            else 'unknown'
        end as route

    from steroid_names

)

select * from dose_forms
