-- OHDSI PhenotypeLibrary 27, in persons with any asthma: entry as in 334,
-- unless its exclusion is known by that day; an exclusion that becomes known
-- later censors on the day it does.
with

pl_334 as (

    select * from {{ ref('asthma__int_pl_334') }}

),

exclusions as (

    select * from {{ ref('asthma__int_pl_27_exclusion') }}

),

pl_27 as (

    select
        pl_334.person_id,
        pl_334.pl_334_date as pl_27_date,
        exclusions.exclusion_date as pl_27_censor_date

    from pl_334

    left join exclusions
        on pl_334.person_id = exclusions.person_id

    where
        exclusions.exclusion_date is null
        or exclusions.exclusion_date > pl_334.pl_334_date

)

select * from pl_27
