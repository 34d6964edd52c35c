"""Conservation: nothing read is lost without being counted.

From the accounting tables of the candidate: what could be read, what became of each row that was,
and which references led nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb

from pumasi.errors import ReleaseError
from pumasi.quality.judge import judge
from pumasi.quality.outcome import Category, Check, Outcome, Severity

# Rows that could not be read: DataQualityDashboard allows 1 % for what a source gets wrong.
UNREADABLE_SHARE = 0.01

_READABLE, _FATED = "rows_can_be_read", "every_row_has_a_fate"
# Categories of the checks of a source table; the other checks here are of OMOP tables.
OF_SOURCE_TABLES: Mapping[Category, str] = {"conformance": _READABLE, "completeness": _FATED}

_LOSSES = """
    select table_name, reference, sum(rows_lost)::bigint, sum(rows_referring)::bigint
    from read_parquet($losses) group by all order by all
"""
_UNREADABLE = """
    select source_table, sum(rows_quarantined)::bigint, sum(rows_in)::bigint
    from read_parquet($counts) group by all order by all
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
    rows_can_be_read` and `<source table>.every_row_has_a_fate`. Nothing to count is not applicable
    here: which tables may be empty is asked elsewhere. Raises ReleaseError when an accounting table
    is missing.
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
    ]


def is_of_source_table(outcome: Outcome) -> bool:
    """Say whether `outcome.table` is a table of the extract, which may be called as one of OMOP."""
    sentence = outcome.name.removeprefix(f"{outcome.table}.")
    return outcome.source == "conservation" and sentence in OF_SOURCE_TABLES.values()


def _short(reference: str) -> str:
    return reference.removesuffix("_occurrence")


def _outcome(
    table: str, sentence: str, category: Category, threshold: float, violations: int, rows: int
) -> Outcome:
    check = Check(
        name=f"{table}.{sentence}",
        table=table,
        category=category,
        severity=Severity.ERROR,
        source="conservation",
        threshold=threshold,
    )
    return judge(check, violations, rows, may_be_empty=True)
