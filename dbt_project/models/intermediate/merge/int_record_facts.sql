-- The rows of records whose contents differ, each taken apart: the fact, the
-- visit that it names, and all that it says. A row that holds several facts (the
-- components of an observation) is compared by all of them.
with

contents as (

    select * from {{ ref('int_record_contents') }}

),

disputed_records as (

    select * from {{ ref('int_records_compared') }}
    where not contents_agree

),

disputed as (

    select contents.*

    from contents

    inner join disputed_records
        on
            contents.record_id = disputed_records.record_id
            and contents.source_table = disputed_records.source_table
            and contents.scope = disputed_records.scope

),

{% call(scope, entity) each_received_entity() %}
    select
        disputed.scope,
        disputed.source_table,
        disputed.record_id,
        disputed.delivery_id,
        disputed.file_no,
        disputed.line_no,
        disputed.content_hash,
        received.source_version,
        {{ visit_named(scope) }} as delivered_visit_id,
        {{ fact_hash(entity) }} as fact_hash

    from {{ ref('int_' ~ entity ~ '_received') }} as received

    inner join disputed
        on
            received.line_no = disputed.line_no
            and received.file_no = disputed.file_no
            and received.delivery_id = disputed.delivery_id
            and received.source_table = disputed.source_table
            and disputed.scope = '{{ scope }}'
{% endcall %},

rows_of_records as (

    select
        scope,
        source_table,
        record_id,
        delivery_id,
        file_no,
        line_no,
        min(content_hash) as content_hash,
        min(source_version) as source_version,
        min(coalesce(delivered_visit_id, -1)) as visit_named,
        sum(cast(fact_hash as decimal(38, 0))) as fact_hash

    from unioned

    group by
        scope,
        source_table,
        record_id,
        delivery_id,
        file_no,
        line_no

)

select * from rows_of_records
