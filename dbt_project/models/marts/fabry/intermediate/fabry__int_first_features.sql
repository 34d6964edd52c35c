-- The first day on which each feature of the past is known, one column each.
with

records as (

    select * from {{ ref('fabry__int_aged_records') }}

),

features as (

    select * from {{ ref('fabry_features') }}

),

feature_records as (

    select
        records.person_id,
        features.feature,
        records.evidence_date

    from records

    inner join features
        on records.concept_set = features.concept_set

    where
        features.younger_than is null
        or records.age_in_years < features.younger_than

),

first_features as (

    select
        {% for feature in fabry_features() %}
        min(case
            when feature = '{{ feature }}' then evidence_date
        end) as {{ feature }}_date,
        {% endfor %}
        person_id

    from feature_records

    group by person_id

)

select * from first_features
