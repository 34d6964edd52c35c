-- Attacks by the month in which they became known. One that became known more than
-- a year after it began is history and counts as no recent attack.
with

attacks as (

    select * from {{ ref('asthma__int_attacks_as_known') }}

),

attack_months as (

    select
        person_id,
        {{ month_index('evidence_date') }} as month_index,
        count(case when is_new then 1 end) as attacks,
        count(case when is_acute then 1 end) as acute_visits,
        max(start_date) as last_attack_date,
        max(end_date) as last_attack_end_date

    from attacks

    where evidence_date <= {{ add_days('start_date', 365) }}

    group by person_id, {{ month_index('evidence_date') }}

)

select * from attack_months
