-- Our base cohort: its entries without those excluded by the day of entry. An
-- exclusion that becomes known later censors on the day it does.
with

entries as (

    select * from {{ ref('asthma__int_base_cohort_entry') }}

),

copd as (

    select * from {{ ref('asthma__int_base_cohort_copd') }}

),

other_disease as (

    select * from {{ ref('asthma__int_base_cohort_other_disease') }}

),

base_cohort as (

    select
        entries.person_id,
        case
            when not coalesce(copd.smoking_decides, false)
                then entries.entry_date
        end as base_cohort_date,
        case
            when not coalesce(copd.smoking_decides, false)
                then least(copd.copd_censor_date, other_disease.exclusion_date)
        end as base_cohort_censor_date,
        not coalesce(copd.smoking_decides, false) as is_assessable

    from entries

    left join copd
        on entries.person_id = copd.person_id

    left join other_disease
        on entries.person_id = other_disease.person_id

    where
        other_disease.exclusion_date is null
        or other_disease.exclusion_date > entries.entry_date

)

select * from base_cohort
