"""Conservation: nothing read is lost without being counted.

From the accounting tables of the candidate: what could be read, what became of each row that was,
and which references led nowhere. A row or reference that is lost closes the gate. A value that
can't be read, and a row that a rule leaves out, are told: `limits.csv` says from which share on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb

from pumasi.errors import ReleaseError
from pumasi.quality.judge import judge
from pumasi.quality.limits import limits
from pumasi.quality.outcome import Category, Check, Outcome, Severity

# Rows that could not be read: DataQualityDashboard allows 1 % for what a source gets wrong.
UNREADABLE_SHARE = 0.01

_READABLE, _FATED = "rows_can_be_read", "every_row_has_a_fate"
_VALUES, _ENTER = "values_can_be_read", "rows_enter_omop"
# The checks of a source table by category; the other checks here are of OMOP tables.
OF_SOURCE_TABLES: Mapping[Category, Sequence[str]] = {
    "conformance": (_READABLE, _VALUES),
    "completeness": (_FATED, _ENTER),
}

_LOSSES = """
    select table_name, reference, sum(rows_lost)::bigint, sum(rows_referring)::bigint
    from read_parquet($losses) group by all order by all
"""
_UNREADABLE = """
    select source_table, sum(rows_quarantined)::bigint, sum(rows_in)::bigint
    from read_parquet($counts) group by all order by all
"""
# Counts of earlier versions have no such column; after a withdrawal it may be more than the rows.
_MISREAD = """
    with counts as (
        select null::bigint as rows_misread where false
        union all by name from read_parquet($counts)
    )
    select source_table, least(coalesce(sum(rows_misread), 0), sum(rows_read))::bigint,
        sum(rows_read)::bigint
    from counts group by all order by all
"""
# Rows that OMOP has no place for, and of which nothing is lost: a transfer between two accounts, an
# insurer, what was said of a provider and stands there.
_MEANT_TO_STAY_OUT = ("no_charge_or_payment", "no_place_of_care", "said_of_its_provider")
# Only what counts now: a row that a later one replaced says nothing of what is left out.
_LEFT_OUT = """
    with ruled as (
        select source_table, rule, sum(rows)::bigint as n
        from read_parquet($fates)
        where fate in ('in_omop', 'not_mapped') and not list_contains($meant, coalesce(rule, ''))
        group by all
    )
    select source_table, coalesce(sum(n) filter (rule is not null), 0)::bigint, sum(n)::bigint,
        list(rule order by n desc, rule) filter (rule is not null)
    from ruled group by all order by all
"""
# Compared delivery by delivery: a gap in one must not cancel a surplus in another.
_WITHOUT_FATE = """
    with read as (
        select delivery_id, source_table, sum(rows_read + rows_withdrawn)::bigint as n
        from read_parquet($counts) group by all
    ), fated as (
        select delivery_id, source_table, sum(rows)::bigint as n
        from read_parquet($fates) group by all
    )
    select source_table, sum(abs(coalesce(read.n, 0) - coalesce(fated.n, 0)))::bigint,
        sum(coalesce(read.n, 0))::bigint
    from read full join fated using (delivery_id, source_table)
    group by all order by all
"""


def conservation_outcomes(candidate: Path) -> list[Outcome]:
    """Return the outcomes of the candidate's accounting tables, sorted by check within each kind.

    `<table>.person_is_delivered` and `<table>.visit_is_delivered` (share of references that lead
    nowhere; none is accepted unless the site's thresholds say so), `<source table>.
    rows_can_be_read`, `<source table>.every_row_has_a_fate`, and as warnings `<source table>.
    values_can_be_read` and `<source table>.rows_enter_omop` (what a rule leaves out: an error of
    entry, a row without a day). Nothing to count is not applicable here: which tables may be empty
    is asked elsewhere. Raises ReleaseError when an accounting table is missing.
    """
    files = {
        name: candidate / f"{name}.parquet"
        for name in ("reference_losses", "read_counts", "row_fates")
    }
    missing = [path.name for path in files.values() if not path.is_file()]
    if missing:
        raise ReleaseError(f"candidate without {', '.join(missing)}: write the candidate again")
    losses, counts, fates = (str(path) for path in files.values())
    with duckdb.connect() as connection:
        lost = connection.execute(_LOSSES, {"losses": losses}).fetchall()
        unreadable = connection.execute(_UNREADABLE, {"counts": counts}).fetchall()
        misread = connection.execute(_MISREAD, {"counts": counts}).fetchall()
        left_out = connection.execute(
            _LEFT_OUT, {"fates": fates, "meant": list(_MEANT_TO_STAY_OUT)}
        ).fetchall()
        unfated = connection.execute(_WITHOUT_FATE, {"counts": counts, "fates": fates}).fetchall()
    return [
        *(
            _outcome(table, f"{_short(reference)}_is_delivered", "conformance", 0.0, bad, of)
            for table, reference, bad, of in lost
        ),
        *(
            _outcome(table, _READABLE, "conformance", UNREADABLE_SHARE, bad, of)
            for table, bad, of in unreadable
        ),
        *(_outcome(table, _FATED, "completeness", 0.0, bad, of) for table, bad, of in unfated),
        *(_warning(table, _VALUES, "conformance", bad, of) for table, bad, of in misread),
        *(
            _with_rules(_warning(table, _ENTER, "completeness", bad, of), rules)
            for table, bad, of, rules in left_out
        ),
    ]


def is_of_source_table(outcome: Outcome) -> bool:
    """Say whether `outcome.table` is a table of the extract, which may be called as one of OMOP."""
    sentence = outcome.name.removeprefix(f"{outcome.table}.")
    of_source = [name for names in OF_SOURCE_TABLES.values() for name in names]
    return outcome.source == "conservation" and sentence in of_source


def _short(reference: str) -> str:
    return reference.removesuffix("_occurrence")


def _warning(table: str, sentence: str, category: Category, violations: int, rows: int) -> Outcome:
    limit = limits()[sentence]
    return _outcome(table, sentence, category, limit, violations, rows, Severity.WARN)


def _with_rules(outcome: Outcome, rules: Sequence[str] | None) -> Outcome:
    if not rules:
        return outcome
    return replace(outcome, message=f"{outcome.message}; rules: {', '.join(rules)}")


def _outcome(
    table: str,
    sentence: str,
    category: Category,
    threshold: float,
    violations: int,
    rows: int,
    severity: Severity = Severity.ERROR,
) -> Outcome:
    check = Check(
        name=f"{table}.{sentence}",
        table=table,
        category=category,
        severity=severity,
        source="conservation",
        threshold=threshold,
    )
    return judge(check, violations, rows, may_be_empty=True)
