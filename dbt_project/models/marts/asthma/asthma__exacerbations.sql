with

episodes as (

    select * from {{ ref('asthma__int_exacerbation_episodes') }}

),

maintenance as (

    select * from {{ ref('asthma__int_maintenance_in_episodes') }}

),

persons as (

    select * from {{ ref('int_persons') }}

),

counted as (

    select
        person_id,
        gap_days,
        episode_start_date,
        max(episode_end_date) as episode_end_date,
        min(case when is_evidence then evidence_date end) as first_known_date,
        max(case when is_evidence then evidence_date end) as known_date,
        count(case when kind = 'oral_steroid' then 1 end)
            as oral_steroid_count,
        count(case when kind = 'injection' then 1 end) as injection_count,
        count(case when kind = 'emergency_visit' then 1 end)
            as emergency_visit_count,
        count(case when kind = 'hospital_stay' then 1 end)
            as hospital_stay_count,
        count(case when kind = 'steroid_of_unknown_duration' then 1 end)
            as steroids_of_unknown_duration,
        count(case when kind = 'steroid_of_unknown_route' then 1 end)
            as steroids_of_unknown_route

    from episodes

    group by person_id, gap_days, episode_start_date

),

exacerbations as (

    select
        counted.person_id,
        persons.split_key,
        counted.gap_days,

        counted.episode_start_date,
        counted.episode_end_date,
        counted.first_known_date,
        counted.known_date,

        counted.oral_steroid_count,
        counted.injection_count,
        counted.emergency_visit_count,
        counted.hospital_stay_count,
        coalesce(maintenance.maintenance_steroid_count, 0)
            as maintenance_steroid_count,
        counted.steroids_of_unknown_duration,
        counted.steroids_of_unknown_route,

        counted.oral_steroid_count > 0 as has_oral_steroid,
        counted.injection_count > 0 as has_injection,
        counted.emergency_visit_count > 0 as has_emergency_visit,
        counted.hospital_stay_count > 0 as has_hospital_stay

    from counted

    inner join persons
        on counted.person_id = persons.person_id

    left join maintenance
        on
            counted.person_id = maintenance.person_id
            and counted.gap_days = maintenance.gap_days
            and counted.episode_start_date = maintenance.episode_start_date

)

select * from exacerbations
