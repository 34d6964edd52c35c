-- Fills by the month in which they became known. A fill of a reliever is one
-- canister: whether a quantity counts canisters, puffs or nebules is not in the
-- CDM, and it is never guessed from the number.
with

fills as (

    select * from {{ ref('asthma__int_treatment_fills') }}

),

fill_months as (

    select
        person_id,
        {{ month_index('evidence_date') }} as month_index,
        count(distinct case when kind = 'reliever' then start_date end)
            as saba_canisters,
        count(distinct case when treatment = 'asthma_ics' then start_date end)
            as ics_fills,
        count(distinct case when kind != 'reliever' then start_date end)
            as controller_fills

    from fills

    where evidence_date <= {{ add_days('start_date', 365) }}

    group by person_id, {{ month_index('evidence_date') }}

)

select * from fill_months
