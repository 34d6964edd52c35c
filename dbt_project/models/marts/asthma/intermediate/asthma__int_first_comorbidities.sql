-- The first day on which each comorbidity of asthma is known, one column each.
with

conditions as (

    select * from {{ ref('int_condition_occurrences') }}

),

concept_set_members as (

    select * from {{ ref('int_concept_set_members') }}

),

any_asthma as (

    select * from {{ ref('asthma__int_any_asthma') }}

),

first_comorbidities as (

    select
        {% for comorbidity in asthma_comorbidities() %}
        min(case
            when concept_set_members.concept_set = '{{ comorbidity }}'
                then {{ evidence_date('conditions') }}
        end) as {{ comorbidity }}_date,
        {% endfor %}
        conditions.person_id

    from conditions

    inner join concept_set_members
        on conditions.condition_concept_id = concept_set_members.concept_id

    inner join any_asthma
        on conditions.person_id = any_asthma.person_id

    where
        concept_set_members.concept_set in (
            {% for comorbidity in asthma_comorbidities() %}
            '{{ comorbidity }}'{{ ',' if not loop.last }}
            {% endfor %}
        )
        and conditions.event_date is not null
        and conditions.known_date is not null

    group by conditions.person_id

)

select * from first_comorbidities
