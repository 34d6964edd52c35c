-- What new users had within 365 days after the index. A label is null, true and
-- false alike, unless the window is observed to its end; a death that was seen
-- is true all the same, for observation ends with it.
with

index_dates as (

    select * from {{ ref('gi_bleed__int_index') }}

),

observed_windows as (

    select * from {{ ref('gi_bleed__int_observed_windows') }}

),

first_bleeds as (

    select * from {{ ref('gi_bleed__int_first_bleeds_after_index') }}

),

deaths as (

    select * from {{ ref('gi_bleed__int_deaths_after_index') }}

),

labels as (

    select
        index_dates.person_id,
        case
            when observed_windows.person_id is not null
                then first_bleeds.bleed_date is not null
        end as has_gi_bleed_365,
        case
            when observed_windows.person_id is not null
                then first_bleeds.bleed_date
        end as gi_bleed_date,
        case
            when observed_windows.person_id is not null
                then {{ days_between(
                    'index_dates.index_date', 'first_bleeds.bleed_date'
                ) }}
        end as days_to_gi_bleed,
        case
            when deaths.person_id is not null then true
            when observed_windows.person_id is not null then false
        end as has_died_365

    from index_dates

    left join observed_windows
        on index_dates.person_id = observed_windows.person_id

    left join first_bleeds
        on index_dates.person_id = first_bleeds.person_id

    left join deaths
        on index_dates.person_id = deaths.person_id

)

select * from labels
