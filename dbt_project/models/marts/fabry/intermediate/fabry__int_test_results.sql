-- Days with an enzyme activity below, or a lyso-Gb3 above, the cut-off of its test.
with

measurements as (

    select * from {{ ref('int_measurements_standardised') }}

),

cutoffs as (

    select * from {{ ref('fabry_cutoffs') }}

),

results as (

    select
        measurements.person_id,
        measurements.event_date,
        {{ evidence_date('measurements') }} as evidence_date,
        case
            when cutoffs.abnormal_when = 'below' then 'enzyme_low'
            else 'lyso_gb3_high'
        end as kind

    from measurements

    inner join cutoffs
        on
            measurements.measurement_concept_id
            = cutoffs.measurement_concept_id

    where
        measurements.event_date is not null
        and measurements.known_date is not null
        and (
            (
                cutoffs.abnormal_when = 'below'
                and measurements.value_as_number < cutoffs.cutoff
            )
            or (
                cutoffs.abnormal_when = 'above'
                and measurements.value_as_number > cutoffs.cutoff
            )
        )

),

days as (

    select
        person_id,
        kind,
        event_date,
        min(evidence_date) as evidence_date

    from results

    group by person_id, kind, event_date

)

select * from days
