-- The Charlson score of Quan 2011 at each index.
with

indexes as (

    select distinct
        person_id,
        index_date

    from {{ ref('fabry__int_index') }}

),

charlson as (

    select * from {{ ref('core__charlson') }}

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
