-- What was measured before each index, as known before it: one walk through each
-- person's days of index and value. A frame that ends one day before the index
-- sees only what was known strictly before it. The slope is rounded: its last bits
-- depend on the order in which rows of one day are added up.
with

indexes as (

    select distinct
        person_id,
        index_date

    from {{ ref('fabry__int_index') }}

),

course as (

    select * from {{ ref('fabry__kidney_course') }}

),

heart_values as (

    select * from {{ ref('fabry__int_heart_values') }}

),

days as (

    select
        person_id,
        index_date as evidence_date,
        index_date,
        cast(null as date) as event_date,
        cast(null as double) as egfr,
        cast(null as double) as upcr,
        cast(null as double) as uacr,
        cast(null as {{ dbt.type_string() }}) as kind,
        cast(null as double) as heart_value

    from indexes

    union all

    select
        person_id,
        known_date as evidence_date,
        cast(null as date) as index_date,
        measured_date as event_date,
        egfr,
        upcr,
        uacr,
        cast(null as {{ dbt.type_string() }}) as kind,
        cast(null as double) as heart_value

    from course

    union all

    select
        person_id,
        evidence_date,
        cast(null as date) as index_date,
        event_date,
        cast(null as double) as egfr,
        cast(null as double) as upcr,
        cast(null as double) as uacr,
        kind,
        value_as_number as heart_value

    from heart_values

),

numbered as (

    select
        *,
        {{ days_between("date '1900-01-01'", 'evidence_date') }} as day_number,
        case
            when egfr is not null
                then {{ days_between("date '1900-01-01'", 'event_date') }}
        end as egfr_day

    from days

),

walked as (

    select
        person_id,
        index_date,
        max_by(egfr, egfr_day) over before_index as last_egfr,
        min(egfr) over before_index as lowest_egfr,
        count(egfr) over before_index as egfr_count,
        min(egfr_day) over before_index as first_egfr_day,
        max(egfr_day) over before_index as last_egfr_day,
        365.25 * regr_slope(egfr, egfr_day) over before_index as egfr_slope,
        max(upcr) over before_index as highest_upcr,
        max(uacr) over before_index as highest_uacr,
        max(case when kind = 'wall_thickness' then heart_value end)
            over before_index as thickest_wall,
        max(case when kind = 'lv_mass_index' then heart_value end)
            over before_index as highest_lv_mass_index,
        min(case when kind = 'pr_interval' then heart_value end)
            over before_index as shortest_pr_interval,
        max(case when kind = 'nt_probnp' then heart_value end)
            over before_index as highest_nt_probnp

    from numbered

    window before_index as (
        partition by person_id
        order by day_number
        range between unbounded preceding and 1 preceding
    )

),

history as (

    select
        person_id,
        index_date,
        last_egfr,
        lowest_egfr,
        case
            when egfr_count >= 3 and last_egfr_day - first_egfr_day >= 365
                then round(egfr_slope, 6)
        end as egfr_slope_per_year,
        highest_upcr,
        highest_uacr,
        thickest_wall,
        highest_lv_mass_index,
        shortest_pr_interval,
        highest_nt_probnp

    from walked

    where index_date is not null

)

select * from history
