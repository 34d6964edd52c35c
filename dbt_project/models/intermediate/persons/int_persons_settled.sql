-- Every delivered person row, with what became of it.
with

received as (

    select * from {{ ref('int_persons_received') }}

),

versions as (

    select * from {{ ref('int_record_versions') }}
    where scope = 'persons'

),

deliveries as (

    select * from {{ ref('int_deliveries') }}

),

person_codes as (

    select * from {{ ref('person_codes') }}

),

merged as (

    select
        received.*,
        coalesce(versions.id_is_shared, false) as id_is_shared,
        {{ merge_fate() }} as merge_fate

    from received

    inner join deliveries
        on received.delivery_id = deliveries.delivery_id

    left join versions
        on
            received.source_table = versions.source_table
            and received.delivery_id = versions.delivery_id
            and received.file_no = versions.file_no
            and received.line_no = versions.line_no

),

-- A person is referred to by the id alone, so two persons cannot share one.
ruled as (

    select
        *,
        coalesce(
            {{ merge_rule() }},
            case
                when id_is_shared then 'person_id_is_shared'
                when year_of_birth is null then 'no_year_of_birth'
            end
        ) as rule

    from merged

),

settled as (

    select
        ruled.delivery_id,
        ruled.source_table,
        ruled.file_no,
        ruled.line_no,
        {{ settled_fate('ruled.merge_fate', 'ruled.rule') }} as fate,
        ruled.rule,
        ruled.person_id,
        ruled.split_key,
        ruled.period_is_delivered,
        coalesce(
            ruled.delivered_gender_concept_id,
            genders.concept_id,
            {{ unmapped_concept_id() }}
        ) as gender_concept_id,
        ruled.year_of_birth,
        ruled.month_of_birth,
        coalesce(
            ruled.delivered_race_concept_id,
            races.concept_id,
            {{ unmapped_concept_id() }}
        ) as race_concept_id,
        coalesce(
            ruled.delivered_ethnicity_concept_id,
            ethnicities.concept_id,
            {{ unmapped_concept_id() }}
        ) as ethnicity_concept_id,
        ruled.gender_source_value,
        ruled.race_source_value,
        ruled.ethnicity_source_value,
        ruled.location_id,
        ruled.provider_id,
        ruled.care_site_id

    from ruled

    left join person_codes as genders
        on
            genders.field = 'gender'
            and ruled.gender_source_value = genders.source_value

    left join person_codes as races
        on
            races.field = 'race'
            and ruled.race_source_value = races.source_value

    left join person_codes as ethnicities
        on
            ethnicities.field = 'ethnicity'
            and ruled.ethnicity_source_value = ethnicities.source_value

)

select * from settled
