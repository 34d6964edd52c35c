"""Drift: whether a build is as the last release was, from the characterisations of both.

A release whose every check passes can still be another hospital than a month ago: a third of the
persons gone, a test in another unit, a department silent. All checks here warn; what they find may
be the world's change and not the pipeline's, and somebody has to say which.

An index is no count of rows. The population stability index (PSI) of two sets of shares p and q is
sum((q - p) ln(q / p)); half a row is added to every bin, so that no share is 0. An outcome of an
index counts comparisons: violations are those whose index is above its limit, and the message says
the largest one. The limit is the convention (0.1, and 0.25 for the newest months), or what chance
alone reaches where that is more. Limits and their sources: `limits.csv`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import duckdb
import pyarrow as pa
from scipy.stats import chi2

from pumasi.quality import drift_queries as queries
from pumasi.quality.judge import judge
from pumasi.quality.limits import limits
from pumasi.quality.outcome import Category, Check, Outcome, Severity

AGE_AND_SEX = "age_and_sex_are_as_before"
STILL_THERE = "persons_are_still_there"
VOLUME = "volume_by_month_is_as_before"
CONCEPTS = "concepts_are_as_before"
MAPPED = "share_mapped_is_as_before"
VALUES = "values_are_as_before"
_FIRST = "nothing to compare with: no earlier release has its tables and counts of this form"
_TOO_FEW = "nothing to compare: too few rows in one of the two releases"
_NAMED = 6


@dataclass(frozen=True)
class _Index:
    """A comparison by PSI: what was compared, the index and what it may be."""

    name: str
    table: str
    part: str
    unit: str | None
    before: int
    now: int
    index: float
    limit: float


@dataclass(frozen=True)
class Compared:
    """One of the two that are compared: its characterisation and its file of `person`."""

    characterised: pa.Table
    person: Path


def drift_outcomes(now: Compared, before: Compared | None) -> list[Outcome]:
    """Compare a build with the last release that has its tables; None if there is none.

    One outcome each: `person.age_and_sex_are_as_before`, `person.persons_are_still_there`; of every
    event table `<table>.volume_by_month_is_as_before`, `<table>.concepts_are_as_before` and
    `<table>.share_mapped_is_as_before`; of every test with enough values
    `measurement.<concept id>_values_are_as_before`. Without an earlier release, or with too few
    rows in one of them, they are not applicable.
    """
    with duckdb.connect() as connection:
        connection.register("now", now.characterised)
        connection.register("before", (before or now).characterised)
        checks = list(_checks(connection))
        if before is None:
            return [_nothing(check, _FIRST) for check in checks]
        found = {outcome.name: outcome for outcome in _found(connection, now, before)}
    return [found.get(check.name, _nothing(check, _TOO_FEW)) for check in checks]


def _checks(connection: duckdb.DuckDBPyConnection) -> Iterator[Check]:
    """Every check that there is: of the tables and tests of one of the two."""
    yield _check("person", AGE_AND_SEX)
    yield _check("person", STILL_THERE, "completeness")
    tables = connection.execute(queries.TABLES).fetchall()
    tests = connection.execute(queries.TESTS, _least()).fetchall()
    for (table,) in tables:
        yield _check(table, VOLUME)
        if table not in queries.WITHOUT_CODES:
            yield _check(table, CONCEPTS)
            yield _check(table, MAPPED, "completeness")
    for (concept,) in tests:
        yield _check("measurement", f"{concept}_{VALUES}")


def _found(
    connection: duckdb.DuckDBPyConnection, now: Compared, before: Compared
) -> Iterator[Outcome]:
    known = limits()
    yield from _indices(connection)
    for table, bad, months, named in connection.execute(queries.VOLUME, _used(known)).fetchall():
        outcome = judge(_check(table, VOLUME), bad, months, may_be_empty=True)
        yield replace(outcome, message=_volume_message(outcome.message, named))
    for table, unmapped, rows, share in connection.execute(queries.MAPPED, _least()).fetchall():
        allowed = round(share + known["mapped_fall"], 4)
        yield judge(
            replace(_check(table, MAPPED, "completeness"), threshold=allowed), unmapped, rows
        )
    gone = {"now": str(now.person), "before": str(before.person)}
    for missing, persons in connection.execute(queries.GONE, gone).fetchall():
        check = _check("person", STILL_THERE, "completeness")
        yield judge(replace(check, threshold=known["persons_gone"]), missing, persons)


def _indices(connection: duckdb.DuckDBPyConnection) -> Iterator[Outcome]:
    """One outcome per name: of one comparison, or of the several of a test."""
    smallest = {**_least(), "smallest_bin": limits()["smallest_bin"]}
    found = [_index(*row) for row in connection.execute(queries.INDEX, smallest).fetchall()]
    for (table, name), group in groupby(found, lambda each: (each.table, each.name)):
        yield _of_indices(_check(table, name), list(group))


def _index(
    table: str,
    name: str,
    part: str,
    unit: str | None,
    bins: int,
    before: int,
    now: int,
    index: float,
) -> _Index:
    known = limits()
    by_chance = (
        chi2.ppf(known["index_chance"], bins - 1) * (1 / before + 1 / now) if bins > 1 else 0
    )
    agreed = known["recent_index" if part.startswith("newest") else "index"]
    return _Index(name, table, part, unit, before, now, index, max(agreed, float(by_chance)))


def _of_indices(check: Check, compared: Sequence[_Index]) -> Outcome:
    above = [each for each in compared if each.index > each.limit]
    worst = max(compared, key=lambda each: each.index / each.limit)
    where = f"{worst.part}, {worst.unit}" if worst.unit else worst.part
    message = (
        f"stability index {worst.index:.3f}, at most {worst.limit:.3f} ({where}; "
        f"{worst.before:,} before, {worst.now:,} now)"
    )
    if len(compared) > 1:
        message += f"; {len(above)} of {len(compared)} comparisons above their limit"
    return replace(judge(check, len(above), len(compared)), message=message)


def _check(table: str, sentence: str, category: Category = "plausibility") -> Check:
    return Check(f"{table}.{sentence}", table, category, Severity.WARN, "drift")


def _nothing(check: Check, why: str) -> Outcome:
    return replace(judge(check, 0, 0, may_be_empty=True), message=why)


def _least() -> dict[str, float]:
    return {"smallest_sample": limits()["smallest_sample"]}


def _used(known: dict[str, float]) -> dict[str, float]:
    names = ("month_persons", "month_collapse", "month_surplus", "month_change", "smallest_sample")
    return {name: known[name] for name in names} | {"settling": int(known["settling_months"])}


def _volume_message(message: str, months: list[str] | None) -> str:
    if not months:
        return message
    more = f" and {len(months) - _NAMED} more" if len(months) > _NAMED else ""
    return f"{message}; months: {', '.join(months[:_NAMED])}{more}"
