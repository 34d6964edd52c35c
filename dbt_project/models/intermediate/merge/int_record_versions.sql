-- What becomes of the rows of a record that came more than once.
--
-- Deliveries are ordered by as_of and source version, rows of one rank by the
-- version that the source gives them, then by their content. The last content
-- counts; its first row is kept and its other rows are duplicates. Rows of earlier
-- contents are superseded. If the record is missing from the latest full delivery
-- and came in none after it, it is withdrawn.
--
-- Two contents under one id within one delivery are two records: the second gets
-- a key of its own, made of id and content, so that neither is lost. Where the
-- source gives versions they are versions of one record, and the later counts.
--
-- Only records whose rows differ have them put in order.
with

contents as (

    select * from {{ ref('int_record_contents') }}

),

compared as (

    select * from {{ ref('int_records_compared') }}
    where contents_agree

),

facts as (

    select * from {{ ref('int_record_facts') }}

),

deliveries as (

    select * from {{ ref('int_deliveries') }}

),

agreed as (

    select
        contents.scope,
        contents.source_table,
        contents.delivery_id,
        contents.file_no,
        contents.line_no,
        contents.record_id,
        contents.record_id as record_key,
        false as id_is_shared,
        case
            when
                {{ place([
                    'deliveries.place_no',
                    'contents.file_no',
                    'contents.line_no',
                ]) }} <> compared.first_place
                then 'duplicate'
            when compared.is_absent = 1 then 'withdrawn'
            else 'current'
        end as merge_fate,
        compared.first_delivery_no,
        cast(null as date) as corrected_as_of,
        cast(null as date) as visit_named_as_of,
        cast(null as date) as details_as_of

    from contents

    inner join compared
        on
            contents.record_id = compared.record_id
            and contents.source_table = compared.source_table
            and contents.scope = compared.scope

    inner join deliveries
        on contents.delivery_id = deliveries.delivery_id

),

ordered as (

    select
        facts.*,
        deliveries.as_of,
        deliveries.delivery_no,
        deliveries.place_no,
        deliveries.is_before_latest_full,
        dense_rank() over (
            partition by
                facts.scope,
                facts.source_table,
                facts.record_id,
                facts.delivery_id,
                case when facts.source_version is null then 1 else 0 end
            order by facts.content_hash
        ) as content_no

    from facts

    inner join deliveries
        on facts.delivery_id = deliveries.delivery_id

),

keyed as (

    select
        *,
        case
            when content_no = 1 or source_version is not null then record_id
            else {{ key_hash(['record_id', 'content_hash']) }}
        end as record_key

    from ordered

),

{% set ordering = [
    'delivery_no', "coalesce(source_version, '')", 'content_hash', 'place_no',
    'file_no', 'line_no',
] | join(', ') %}
preceded as (

    select
        *,
        lag(content_hash) over (
            partition by scope, source_table, record_key
            order by {{ ordering }}
        ) as previous_content,
        lag(visit_named) over (
            partition by scope, source_table, record_key
            order by {{ ordering }}
        ) as previous_visit,
        lag(fact_hash) over (
            partition by scope, source_table, record_key
            order by {{ ordering }}
        ) as previous_fact,
        last_value(content_hash) over (
            partition by scope, source_table, record_key
            order by {{ ordering }}
            rows between unbounded preceding and unbounded following
        ) as last_content,
        row_number() over (
            partition by scope, source_table, record_key, content_hash
            order by delivery_no, place_no, file_no, line_no
        ) as copy_no

    from keyed

),

disputed as (

    select
        scope,
        source_table,
        delivery_id,
        file_no,
        line_no,
        record_id,
        record_key,
        record_key <> record_id as id_is_shared,
        case
            when copy_no > 1 then 'duplicate'
            when content_hash <> last_content then 'superseded'
            when
                min(case when is_before_latest_full then 1 else 0 end) over (
                    partition by scope, source_table, record_key
                ) = 1
                then 'withdrawn'
            else 'current'
        end as merge_fate,
        min(delivery_no) over (
            partition by scope, source_table, record_key
        ) as first_delivery_no,
        max(case when fact_hash <> previous_fact then as_of end) over (
            partition by scope, source_table, record_key
        ) as corrected_as_of,
        max(case when visit_named <> previous_visit then as_of end) over (
            partition by scope, source_table, record_key
        ) as visit_named_as_of,
        max(case when content_hash <> previous_content then as_of end) over (
            partition by scope, source_table, record_key
        ) as details_as_of

    from preceded

),

decided as (

    select * from agreed

    union all

    select * from disputed

)

select * from decided
