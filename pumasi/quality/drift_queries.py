"""The queries of drift, on two characterisations: `before` and `now`."""

from __future__ import annotations

# Their events have no code that a hospital maps, or too few.
WITHOUT_CODES = ("death", "note")

# Event tables of one of the two, with rows or without.
TABLES = """
    select distinct cdm_table from (from before union all by name from now)
    where analysis = 'records' order by all
"""

# Tests with enough values now.
TESTS = """
    select concept_id from now where analysis = 'tests' and concept_id <> 0
    group by all having sum(records) >= $smallest_sample order by all
"""

# Every comparison as bins: counts before and now. Values fall into ten groups of the release
# before; what lies below its least value is in the first. Newest months are compared with the whole
# of it. Units are compared like values: a test that changes its unit has no value to compare.
INDEX = """
    with born as (
        select coalesce(concept_id, 0) || ' ' || coalesce(floor(lower / 10), 0) as bin,
            'before' as side, records from before
        where analysis = 'persons_by_birth_year_and_sex'
        union all
        select coalesce(concept_id, 0) || ' ' || coalesce(floor(lower / 10), 0), 'now', records
        from now where analysis = 'persons_by_birth_year_and_sex'
    ), concepts as (
        select cdm_table, concept_id, 'before' as side, records from before
        where analysis = 'records_by_concept'
        union all
        select cdm_table, concept_id, 'now', records from now
        where analysis = 'records_by_concept'
    ), shares as (
        select *, records / sum(records) over (partition by cdm_table, side) as share from concepts
    ), frequent as (
        select *, max(share) over (partition by cdm_table, concept_id) >= $smallest_bin as is_bin
        from shares
    ), positions as (
        select concept_id, unit_concept_id, lower, records,
            (sum(records) over up_to - records / 2) / sum(records) over whole as position
        from before where analysis = 'values'
        window whole as (partition by concept_id, unit_concept_id),
            up_to as (partition by concept_id, unit_concept_id order by lower)
    ), cuts as (
        select concept_id, unit_concept_id, floor(10 * position) as bin, min(lower) as begins
        from positions group by all
    ), newer as (
        select concept_id, unit_concept_id, any_value(unit_name) as unit, lower,
            case analysis when 'values' then 'all values' else 'newest months' end as part,
            sum(records) as records
        from now where analysis in ('values', 'recent_values') group by all
    ), placed as (
        select newer.*, coalesce(cuts.bin, lowest.bin) as bin
        from newer
        inner join (select concept_id, unit_concept_id, min(bin) as bin from cuts group by all)
            as lowest using (concept_id, unit_concept_id)
        asof left join cuts on newer.concept_id = cuts.concept_id
            and newer.unit_concept_id = cuts.unit_concept_id and newer.lower >= cuts.begins
    ), valued as (
        select concept_id, unit_concept_id, part, unit, bin::varchar as bin, 'now' as side,
            records from placed
        union all by name
        select concept_id, unit_concept_id, part, unit, floor(10 * position)::varchar as bin,
            'before' as side, records
        from positions
        inner join (select distinct concept_id, unit_concept_id, part, unit from placed)
            using (concept_id, unit_concept_id)
    ), units as (
        select concept_id, unit_concept_id::varchar as bin, 'before' as side, records,
            unnest(['all units', 'newest units']) as part
        from before where analysis = 'tests'
        union all by name
        select concept_id, unit_concept_id::varchar as bin, 'now' as side, records,
            'all units' as part from now where analysis = 'tests'
        union all by name
        select concept_id, unit_concept_id::varchar as bin, 'now' as side,
            sum(records) as records, 'newest units' as part
        from now where analysis = 'recent_values' group by all
    ), compared as (
        select 'person' as cdm_table, 'age_and_sex_are_as_before' as name,
            'all persons' as part, null::varchar as unit, null::bigint as unit_concept_id, bin,
            side, records
        from born
        union all by name
        select cdm_table, 'concepts_are_as_before' as name, 'all records' as part,
            case when is_bin then concept_id::varchar else 'rest' end as bin, side, records
        from frequent where cdm_table not in ('death', 'note')
        union all by name
        select 'measurement' as cdm_table, concept_id || '_values_are_as_before' as name, part,
            coalesce(unit, 'unit not known') as unit, unit_concept_id, bin, side, records
        from valued
        union all by name
        select 'measurement' as cdm_table, concept_id || '_values_are_as_before' as name, part,
            bin, side, records
        from units
    ), bins as (
        select cdm_table, name, part, unit, unit_concept_id, bin,
            coalesce(sum(records) filter (where side = 'before'), 0) as before,
            coalesce(sum(records) filter (where side = 'now'), 0) as now
        from compared group by all
    ), totals as (
        select *, count(*) over one as bins, sum(before) over one as all_before,
            sum(now) over one as all_now
        from bins window one as (partition by cdm_table, name, part, unit, unit_concept_id)
    ), smoothed as (
        select *, (before + 0.5) / (all_before + 0.5 * bins) as p,
            (now + 0.5) / (all_now + 0.5 * bins) as q
        from totals
    )
    select cdm_table, name, part, unit, bins, all_before::bigint, all_now::bigint,
        sum((q - p) * ln(q / p)) as index
    from smoothed where least(all_before, all_now) >= $smallest_sample
    group by cdm_table, name, part, unit, unit_concept_id, bins, all_before, all_now
    order by cdm_table, name, part, unit, unit_concept_id
"""

# Months that both hold whole are compared with each other, but for the newest of the release
# before, which may still fill up; the months that are new are compared with the year before them.
VOLUME = """
    with ends as (
        select (select month from before where analysis = 'last_complete_month') as old,
            (select month from now where analysis = 'last_complete_month') as new
    ), tables as (
        select cdm_table, min(month) as first from (from before union all by name from now)
        where analysis = 'records_by_month' and cdm_table <> 'death' group by all
    ), spans as (
        select cdm_table, unnest(generate_series(first, new, interval 1 month))::date as month
        from tables cross join ends
    ), months as (
        select spans.cdm_table, spans.month, coalesce(b.records, 0) as before,
            coalesce(n.records, 0) as now, coalesce(n.persons, 0) as persons
        from spans
        left join before as b on b.analysis = 'records_by_month'
            and b.cdm_table = spans.cdm_table and b.month = spans.month
        left join now as n on n.analysis = 'records_by_month'
            and n.cdm_table = spans.cdm_table and n.month = spans.month
    ), history as (
        select *, median(now) over year as expected, median(persons) over year as expected_persons
        from months
        window year as (
            partition by cdm_table order by month rows between 12 preceding and 1 preceding
        )
    ), judged as (
        select cdm_table, month, abs(now - before) > $month_change * before as is_changed
        from history cross join ends
        where month <= old - $settling * interval 1 month and before >= $smallest_sample
        union all
        select cdm_table, month,
            now < $month_collapse * expected or now > $month_surplus * expected
        from history cross join ends
        where month > old and expected_persons >= $month_persons
    )
    select cdm_table, count(*) filter (where is_changed) as changed, count(*) as months,
        list(strftime(month, '%Y-%m') order by month) filter (where is_changed)
    from judged group by all order by all
"""

# Rows without a concept now, of all rows, and their share before.
MAPPED = """
    with counts as (
        select cdm_table, 'before' as side, concept_id, records from before
        where analysis = 'records_by_concept'
        union all
        select cdm_table, 'now', concept_id, records from now
        where analysis = 'records_by_concept'
    ), sides as (
        select cdm_table, side, sum(records) as records,
            coalesce(sum(records) filter (where concept_id = 0), 0) as unmapped
        from counts where cdm_table not in ('death', 'note') group by all
    )
    select n.cdm_table, n.unmapped::bigint, n.records::bigint, b.unmapped / b.records
    from sides as n inner join sides as b
        on b.cdm_table = n.cdm_table and b.side = 'before' and n.side = 'now'
    where least(n.records, b.records) >= $smallest_sample order by all
"""

GONE = """
    select count(*) filter (where person_id not in (
        select person_id from read_parquet($now) where person_id is not null
    )), count(*)
    from (select distinct person_id from read_parquet($before))
"""
