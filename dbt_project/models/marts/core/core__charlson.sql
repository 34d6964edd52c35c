with

conditions as (

    select * from {{ ref('int_condition_occurrences') }}

),

concept_set_members as (

    select * from {{ ref('int_concept_set_members') }}

),

categories as (

    select * from {{ ref('charlson_categories') }}

),

persons as (

    select * from {{ ref('int_persons') }}

),

category_concepts as (

    select
        categories.category,
        concept_set_members.concept_id

    from categories

    inner join concept_set_members
        on
            concept_set_members.concept_set
            = 'charlson_' || categories.category

),

first_known as (

    select
        conditions.person_id,
        category_concepts.category,
        min({{ evidence_date('conditions') }}) as known_date

    from conditions

    inner join category_concepts
        on conditions.condition_concept_id = category_concepts.concept_id

    where
        conditions.event_date is not null
        and conditions.known_date is not null

    group by conditions.person_id, category_concepts.category

),

charlson as (

    select
        first_known.person_id,
        persons.split_key,
        first_known.category,
        first_known.known_date,
        graver.known_date as outranked_date,
        categories.weight_2005,
        categories.weight_2011

    from first_known

    inner join categories
        on first_known.category = categories.category

    inner join persons
        on first_known.person_id = persons.person_id

    left join first_known as graver
        on
            first_known.person_id = graver.person_id
            and categories.outranked_by = graver.category

)

select * from charlson
