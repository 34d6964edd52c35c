-- The Charlson score of Quan 2011 at each index, without chronic pulmonary disease,
-- which everybody with asthma has.
with

indexes as (

    select
        person_id,
        index_date

    from {{ ref('asthma__int_risk_index') }}

),

charlson as (

    select * from {{ ref('core__charlson') }}
    where category != 'chronic_pulmonary'

),

scores as (

    select
        indexes.person_id,
        indexes.index_date,
        {{ charlson_score(
            'weight_2011', 'charlson', 'indexes.index_date'
        ) }} as charlson_2011

    from indexes

    inner join charlson
        on indexes.person_id = charlson.person_id

    group by indexes.person_id, indexes.index_date

)

select * from scores
