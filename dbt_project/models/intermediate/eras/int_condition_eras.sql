-- Occurrences of one condition that lie at most era_gap_days apart, by OHDSI's
-- convention: an occurrence without an end lasts a day. The gap is counted from
-- the latest end so far, which a running maximum gives in one sorted pass.
with

condition_occurrences as (

    select * from {{ ref('int_condition_occurrences') }}
    where condition_concept_id <> {{ unmapped_concept_id() }}

),

spans as (

    select
        person_id,
        condition_concept_id,
        condition_start_date as start_date,
        coalesce(
            condition_end_date,
            {{ add_days('condition_start_date', 1) }}
        ) as end_date

    from condition_occurrences

),

preceded as (

    select
        *,
        max(end_date) over (
            partition by person_id, condition_concept_id
            order by start_date, end_date
            rows between unbounded preceding and 1 preceding
        ) as latest_end_date

    from spans

),

numbered as (

    select
        *,
        sum(
            case
                when
                    {{ days_between('latest_end_date', 'start_date') }}
                    <= {{ var('era_gap_days') }}
                    then 0
                else 1
            end
        ) over (
            partition by person_id, condition_concept_id
            order by start_date
            range between unbounded preceding and current row
        ) as era_no

    from preceded

),

eras as (

    select
        person_id,
        condition_concept_id,
        min(start_date) as condition_era_start_date,
        max(end_date) as condition_era_end_date,
        cast(count(*) as integer) as condition_occurrence_count

    from numbered

    group by
        person_id,
        condition_concept_id,
        era_no

),

keyed as (

    select
        {{ key_hash([
            'person_id', 'condition_concept_id', 'condition_era_start_date',
        ]) }} as condition_era_id,
        person_id,
        condition_concept_id,
        condition_era_start_date,
        condition_era_end_date,
        condition_occurrence_count

    from eras

)

select * from keyed
