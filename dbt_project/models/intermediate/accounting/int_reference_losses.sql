-- References that lead nowhere, by OMOP table. A row whose person is not
-- delivered is quarantined; a visit that is not delivered is nulled and the row
-- stays, unless its table needs one. A cost needs the record that it is of.
with

events as (

    select * from {{ ref('int_events_mapped') }}

),

visits as (

    select * from {{ ref('int_visits_settled') }}

),

visit_occurrences as (

    select * from {{ ref('int_visit_occurrences') }}

),

deaths as (

    select * from {{ ref('int_deaths_settled') }}

),

observation_periods as (

    select * from {{ ref('int_observation_periods_settled') }}

),

{% for entity, its in record_tables().items() if its.person %}
{{ entity }} as (

    select * from {{ ref('int_' ~ entity ~ '_settled') }}

),

{% endfor %}
events_counted as (

    select
        omop_table as table_name,
        fate,
        visit_is_named,
        visit_occurrence_id is null as visit_is_null,
        count(*) as row_count

    from events

    where fate in ('in_omop', 'quarantined')

    group by
        omop_table,
        fate,
        visit_is_named,
        visit_occurrence_id is null

),

persons_referred as (

    select
        table_name,
        fate,
        row_count
    from events_counted

    union all

    select
        'visit_occurrence' as table_name,
        fate,
        1 as row_count
    from visits

    union all

    select
        'death' as table_name,
        fate,
        1 as row_count
    from deaths

    union all

    select
        'observation_period' as table_name,
        fate,
        1 as row_count
    from observation_periods
    {% for entity, its in record_tables().items() if its.person %}

    union all

    select
        '{{ its.table }}' as table_name,
        case
            when rule in ('visit_not_delivered', 'record_not_delivered')
                then 'in_omop'
            else fate
        end as fate,
        1 as row_count
    from {{ entity }}
    {% endfor %}

),

visits_referred as (

    select
        table_name,
        visit_is_null,
        row_count
    from events_counted

    where
        fate = 'in_omop'
        and visit_is_named

    union all

    select
        'visit_occurrence' as table_name,
        preceding_visit_is_lost as visit_is_null,
        1 as row_count
    from visit_occurrences

    where
        preceding_visit_is_lost
        or preceding_visit_occurrence_id is not null
    {% for entity, its in record_tables().items() if its.visit %}

    union all

    select
        '{{ its.table }}' as table_name,
        visit_occurrence_id is null as visit_is_null,
        1 as row_count
    from {{ entity }}

    where
        visit_is_named
        and (fate = 'in_omop' or rule = 'visit_not_delivered')
    {% endfor %}

),

records_referred as (
    {% for entity, its in record_tables().items() if its.record %}

    select
        '{{ its.table }}' as table_name,
        found_record_id is null as record_is_null
    from {{ entity }}

    where fate = 'in_omop' or rule = 'record_not_delivered'
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

losses as (

    select
        table_name,
        'person' as reference,
        sum(row_count) as rows_referring,
        sum(case when fate = 'quarantined' then row_count else 0 end)
            as rows_lost

    from persons_referred

    where fate in ('in_omop', 'quarantined')

    group by table_name

    union all

    select
        table_name,
        'visit_occurrence' as reference,
        sum(row_count) as rows_referring,
        sum(case when visit_is_null then row_count else 0 end) as rows_lost

    from visits_referred

    group by table_name

    union all

    select
        table_name,
        'record' as reference,
        count(*) as rows_referring,
        sum(case when record_is_null then 1 else 0 end) as rows_lost

    from records_referred

    group by table_name

),

final as (

    select
        table_name,
        reference,
        cast(rows_referring as bigint) as rows_referring,
        cast(rows_lost as bigint) as rows_lost

    from losses

)

select * from final
