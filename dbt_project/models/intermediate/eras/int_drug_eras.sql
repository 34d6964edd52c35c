-- Exposures to one ingredient that lie at most era_gap_days apart, by OHDSI's
-- convention: from the last day of the one to the first of the next. The end is
-- the delivered or supplied one, and an exposure that ends on its first day lasts
-- a day. gap_days are the days of the era that no exposure covers, as the CDM
-- defines them; the last day of an exposure is covered, so a refill on the day
-- after it leaves no gap.
with

drug_exposures as (

    select * from {{ ref('int_drug_exposures') }}

),

drug_ingredients as (

    select * from {{ ref('int_drug_ingredients') }}

),

spans as (

    select
        drug_exposures.person_id,
        drug_ingredients.ingredient_concept_id as drug_concept_id,
        drug_exposures.drug_exposure_start_date as start_date,
        drug_exposures.drug_exposure_end_date as end_date

    from drug_exposures

    inner join drug_ingredients
        on drug_exposures.drug_concept_id = drug_ingredients.drug_concept_id

),

preceded as (

    select
        *,
        max(end_date) over (
            partition by person_id, drug_concept_id
            order by start_date, end_date
            rows between unbounded preceding and 1 preceding
        ) as latest_end_date

    from spans

),

spaced as (

    select
        *,
        {{ days_between('latest_end_date', 'start_date') }} as days_apart

    from preceded

),

numbered as (

    select
        *,
        sum(case when days_apart <= {{ var('era_gap_days') }} then 0 else 1 end)
            over (
                partition by person_id, drug_concept_id
                order by start_date
                range between unbounded preceding and current row
            ) as era_no

    from spaced

),

eras as (

    select
        person_id,
        drug_concept_id,
        min(start_date) as drug_era_start_date,
        max(end_date) as drug_era_end_date,
        cast(count(*) as integer) as drug_exposure_count,
        cast(
            sum(
                case
                    when days_apart between 1 and {{ var('era_gap_days') }}
                        then days_apart - 1
                    else 0
                end
            ) as integer
        ) as gap_days

    from numbered

    group by
        person_id,
        drug_concept_id,
        era_no

),

keyed as (

    select
        {{ key_hash([
            'person_id', 'drug_concept_id', 'drug_era_start_date',
        ]) }} as drug_era_id,
        person_id,
        drug_concept_id,
        drug_era_start_date,
        drug_era_end_date,
        drug_exposure_count,
        gap_days

    from eras

)

select * from keyed
