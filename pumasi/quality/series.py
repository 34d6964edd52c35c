"""Checks on the time series of one build: a month that is missing, a test that fell silent.

They need no earlier release, so they speak in the first one. A month is compared with the medians
of the months before and after it: of both the smaller counts, so that a record that grows or fades
is not taken for one with a gap. Where a record stops before the extract says that it ends, every
month after that is compared with the last months that have rows.

The fewer persons a month has, the more of its rows are gone by chance: where `month_persons` are
expected half of the rows must be there, and of fewer a share that falls evenly to nothing at half
as many persons.
"""

from __future__ import annotations

from dataclasses import replace

import duckdb
import pyarrow as pa

from pumasi.quality.judge import judge
from pumasi.quality.limits import limits
from pumasi.quality.outcome import Check, Outcome, Severity

# Months that a message names; the others it counts.
_NAMED = 6

# Months without a record count as zeros, from the first record to the last complete month.
_MONTHS = """
    with last as (
        select month from characterised where analysis = 'last_complete_month'
    ), firsts as (
        select cdm_table, min(month) as first from characterised
        where analysis = 'records_by_month' and cdm_table <> 'death' group by all
    ), spans as (
        select cdm_table,
            unnest(generate_series(first, last.month, interval 1 month))::date as month
        from firsts cross join last
    ), months as (
        select spans.cdm_table, spans.month, coalesce(counted.records, 0) as n,
            coalesce(counted.persons, 0) as persons
        from spans left join characterised as counted
            on counted.analysis = 'records_by_month'
            and counted.cdm_table = spans.cdm_table and counted.month = spans.month
    ), neighbours as (
        select *,
            median(n) over (partition by cdm_table order by month
                rows between $span preceding and 1 preceding) as before,
            median(n) over (partition by cdm_table order by month
                rows between 1 following and $span following) as after,
            median(persons) over (partition by cdm_table order by month
                rows between $span preceding and 1 preceding) as persons_before,
            median(persons) over (partition by cdm_table order by month
                rows between 1 following and $span following) as persons_after
        from months
    ), surroundings as (
        select cdm_table, month, n, least(before, coalesce(after, before)) as expected,
            least(persons_before, coalesce(persons_after, persons_before)) as expected_persons
        from neighbours where before is not null
    ), ends as (
        select cdm_table, max(month) filter (where n > 0) as stopped from months group by all
    ), usual as (
        select cdm_table, stopped, median(persons) as usual_persons
        from months inner join ends using (cdm_table)
        where month <= stopped and month > stopped - $span * interval 1 month
        group by all
    ), judged as (
        select cdm_table, month,
            n < $collapse * least(1, 2 * expected_persons / $persons - 1) * expected as is_missing
        from surroundings inner join usual using (cdm_table)
        where 2 * expected_persons > $persons and month <= stopped
        union all
        select cdm_table, month, true as is_missing
        from months inner join usual using (cdm_table)
        where month > stopped and usual_persons >= $expected
    )
    select cdm_table, count(month) filter (where is_missing) as violations, count(month) as months,
        list(strftime(month, '%Y-%m') order by month) filter (where is_missing) as missing
    from (select distinct cdm_table from characterised
        where analysis = 'records' and cdm_table <> 'death') left join judged using (cdm_table)
    group by all order by all
"""
_SILENT = """
    with last as (
        select month from characterised where analysis = 'last_complete_month'
    ), counts as (
        select concept_id, any_value(concept_name) as name,
            coalesce(sum(records) filter (
                where month > (from last) - $silent * interval 1 month and month <= (from last)
            ), 0) as newest,
            list(persons) filter (
                where month <= (from last) - $silent * interval 1 month
                and month > (from last) - ($silent + 12) * interval 1 month
            ) as year_before
        from characterised where analysis = 'records_by_concept_and_month' group by all
    ), expected as (
        select *, $silent * list_median(list_resize(coalesce(year_before, []), 12, 0)) as expected
        from counts
    )
    select count(*) filter (where newest = 0), count(*),
        list(concept_id || ' ' || coalesce(name, '') order by concept_id) filter (where newest = 0)
    from expected where expected >= $expected
"""


def series_outcomes(characterised: pa.Table) -> list[Outcome]:
    """`<table>.no_month_is_missing` of every event table, `measurement.no_test_fell_silent`.

    A violation is a month, of the months whose neighbours let expect enough persons; or a test, of
    the tests of enough persons in the year before: rows come in clusters, a visit has ten results.
    Where none can be judged, or where no observation says when the record ends, they are not
    applicable. Deaths are too few to be judged.
    """
    known = limits()
    with duckdb.connect() as connection:
        connection.register("characterised", characterised)
        months = connection.execute(
            _MONTHS.replace("$span", f"{known['neighbour_months']:.0f}"),
            {
                "collapse": known["month_collapse"],
                "persons": known["month_persons"],
                "expected": known["silent_expected"],
            },
        ).fetchall()
        silent = connection.execute(
            _SILENT,
            {"silent": int(known["silent_months"]), "expected": known["silent_expected"]},
        ).fetchall()
    found = [_months(*row) for row in months]
    has_tests = any(table == "measurement" for table, *_ in months)
    return [*found, *([_silent(*silent[0])] if has_tests else [])]


def _months(table: str, violations: int, judged: int, missing: list[str] | None) -> Outcome:
    check = Check(f"{table}.no_month_is_missing", table, "completeness", Severity.WARN, "series")
    outcome = judge(check, violations, judged, may_be_empty=True)
    if not judged:
        return replace(outcome, message="nothing to check: no month with enough persons around it")
    return replace(outcome, message=_with_names(outcome.message, "months", missing))


def _silent(violations: int, judged: int, names: list[str] | None) -> Outcome:
    check = Check(
        "measurement.no_test_fell_silent", "measurement", "completeness", Severity.WARN, "series"
    )
    outcome = judge(check, violations, judged, may_be_empty=True)
    if not judged:
        return replace(
            outcome, message="nothing to check: no test of enough persons in the year before"
        )
    return replace(outcome, message=_with_names(outcome.message, "tests", names))


def _with_names(message: str, what: str, names: list[str] | None) -> str:
    if not names:
        return message
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{message}; {what}: {', '.join(names[:_NAMED])}{more}"
