-- Systemic steroid exposures of persons with any asthma: how they were given
-- and for how many days. The route is that of the record; where the record has
-- none, the dose form in the standard name of the drug tells. Where neither
-- tells (an ingredient alone), the route stays null. Skin, eye, ear, nose, lung
-- and joint are other routes and are left out. Route and duration are details of
-- a record: the evidence counts from the day on which they, too, were known.
with

drug_exposures as (

    select * from {{ ref('int_drug_exposures') }}

),

concept_set_members as (

    select * from {{ ref('int_concept_set_members') }}

),

dose_forms as (

    select * from {{ ref('asthma__int_steroid_dose_forms') }}

),

any_asthma as (

    select * from {{ ref('asthma__int_any_asthma') }}

),

steroid_exposures as (

    select
        drug_exposures.drug_exposure_id,
        drug_exposures.person_id,
        drug_exposures.drug_concept_id,
        coalesce(
            drug_exposures.route_concept_id, {{ unmapped_concept_id() }}
        ) as route_concept_id,
        drug_exposures.event_date as start_date,
        drug_exposures.drug_exposure_end_date as recorded_end_date,
        drug_exposures.days_supply,
        greatest(
            drug_exposures.event_date,
            drug_exposures.known_date,
            drug_exposures.details_known_date
        ) as evidence_date

    from drug_exposures

    inner join concept_set_members
        on drug_exposures.drug_concept_id = concept_set_members.concept_id

    inner join any_asthma
        on drug_exposures.person_id = any_asthma.person_id

    where
        concept_set_members.concept_set = 'systemic_steroid'
        and drug_exposures.event_date is not null
        and drug_exposures.known_date is not null

),

routes as (

    select
        concept_id as route_concept_id,
        case
            when concept_set = 'route_oral' then 'oral'
            else 'injection'
        end as route

    from concept_set_members

    where concept_set in ('route_oral', 'route_injection')

),

routed as (

    select
        steroid_exposures.drug_exposure_id,
        steroid_exposures.person_id,
        case
            when
                steroid_exposures.route_concept_id
                != {{ unmapped_concept_id() }}
                then coalesce(routes.route, 'other')
            else coalesce(dose_forms.route, 'unknown')
        end as route,
        steroid_exposures.start_date,
        steroid_exposures.evidence_date,
        -- The CDM demands an end date, and sources that know none repeat the
        -- start: an end on the day of the start says nothing.
        case
            when steroid_exposures.days_supply > 0
                then steroid_exposures.days_supply
            when
                steroid_exposures.recorded_end_date
                > steroid_exposures.start_date
                then {{ days_between(
                    'steroid_exposures.start_date',
                    'steroid_exposures.recorded_end_date'
                ) }} + 1
        end as duration_days

    from steroid_exposures

    left join routes
        on steroid_exposures.route_concept_id = routes.route_concept_id

    left join dose_forms
        on steroid_exposures.drug_concept_id = dose_forms.drug_concept_id

),

systemic_steroids as (

    select
        drug_exposure_id,
        person_id,
        start_date,
        evidence_date,
        duration_days,
        case when route != 'unknown' then route end as route

    from routed

    where route != 'other'

)

select * from systemic_steroids
