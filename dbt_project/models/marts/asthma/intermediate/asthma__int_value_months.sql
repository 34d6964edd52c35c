-- The last value of each test by the month in which it became known, and the
-- highest eosinophil count. A value that became known more than a year after its
-- day is left out.
with

measurements as (

    select * from {{ ref('int_measurements_standardised') }}

),

concept_set_members as (

    select * from {{ ref('int_concept_set_members') }}

),

eosinophils as (

    select * from {{ ref('asthma__int_eosinophils_off_steroids') }}

),

any_asthma as (

    select * from {{ ref('asthma__int_any_asthma') }}

),

test_values as (

    select
        measurements.person_id,
        concept_set_members.concept_set as test,
        measurements.event_date,
        {{ evidence_date('measurements') }} as evidence_date,
        measurements.value_as_number

    from measurements

    inner join concept_set_members
        on measurements.measurement_concept_id = concept_set_members.concept_id

    inner join any_asthma
        on measurements.person_id = any_asthma.person_id

    where
        concept_set_members.concept_set in (
            'feno',
            'fev1_percent',
            'fev1_fvc',
            'total_ige',
            'act_score',
            'body_mass_index'
        )
        and measurements.value_as_number > 0
        and measurements.event_date is not null
        and measurements.known_date is not null

    union all

    select
        person_id,
        'eosinophils' as test,
        event_date,
        evidence_date,
        value_as_number

    from eosinophils

),

{% set tests = [
    'eosinophils', 'feno', 'fev1_percent', 'fev1_fvc', 'total_ige',
    'act_score', 'body_mass_index',
] -%}
value_months as (

    select
        person_id,
        {{ month_index('evidence_date') }} as month_index,
        {% for test in tests %}
        max_by(
            case when test = '{{ test }}' then value_as_number end,
            case
                when test = '{{ test }}'
                    then {{ place(['event_date', 'value_as_number']) }}
            end
        ) as {{ test }},
        {% endfor %}
        max(case when test = 'eosinophils' then value_as_number end)
            as highest_eosinophils

    from test_values

    where evidence_date <= {{ add_days('event_date', 365) }}

    group by person_id, {{ month_index('evidence_date') }}

)

select * from value_months
