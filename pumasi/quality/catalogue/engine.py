"""The engine: every check of the catalogue on one database, a query per table and family.

A query that breaks is asked again in halves, so that one column that can't be read does not hide
what could be known of the others. What breaks alone is an error, never a pass, and says only the
family and the class of the error: DuckDB's message may quote a row.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Protocol

import duckdb

from pumasi.quality.catalogue.checks import ConcreteCheck
from pumasi.quality.catalogue.database import Cdm
from pumasi.quality.catalogue.groups import GROUP_FAMILIES
from pumasi.quality.catalogue.needs import why_not
from pumasi.quality.catalogue.own import OWN_FAMILIES
from pumasi.quality.catalogue.rows import ROW_FAMILIES
from pumasi.quality.judge import could_not_check, judge
from pumasi.quality.outcome import Outcome, Status

_STRUCTURE = "structure"


class Family(Protocol):
    """Checks that are counted together, on one table in one query."""

    def count(self, cdm: Cdm, checks: Sequence[ConcreteCheck]) -> list[tuple[int, int]]:
        """Violations and denominator of each check; all are of one table."""

    def offenders(self, cdm: Cdm, check: ConcreteCheck) -> tuple[str, str]:
        """The relation and the condition under which a row of it, called `t`, violates."""


FAMILIES: Mapping[str, Family] = {**ROW_FAMILIES, **GROUP_FAMILIES, **OWN_FAMILIES}


@dataclass(frozen=True)
class CheckResult:
    """A concrete check, its outcome, and the seconds that its table and family took together."""

    check: ConcreteCheck
    outcome: Outcome
    seconds: float


# Violations and denominator, or the class of the error that counting ended with.
_Counts = tuple[int, int] | str


def applicable(cdm: Cdm, checks: Iterable[ConcreteCheck]) -> list[ConcreteCheck]:
    """Return the checks for which the database has what they need."""
    return [check for check in checks if why_not(cdm, check) is None]


def steps(checks: Iterable[ConcreteCheck]) -> list[list[ConcreteCheck]]:
    """Return the checks as they are counted: by table and family."""

    def key(check: ConcreteCheck) -> tuple[str, str]:
        return check.table, check.family

    return [list(group) for _, group in groupby(sorted(checks, key=key), key)]


def run_catalogue(
    cdm: Cdm,
    checks: Sequence[ConcreteCheck],
    progress: Callable[[], None] = lambda: None,
) -> list[CheckResult]:
    """Run the checks and return one result each, in their order.

    `progress` is called after each of `steps(checks)`. A check that has nothing to check is not
    applicable: its table or field, or what it is compared with, is not there; its denominator is
    0; or its field has no value at all, unless missing values are what it counts.
    """
    found: dict[ConcreteCheck, CheckResult] = {}
    for step in steps(checks):
        found |= {result.check: result for result in run_step(cdm, step)}
        progress()
    return without_empty_fields([found[check] for check in checks])


def run_step(cdm: Cdm, step: Sequence[ConcreteCheck]) -> list[CheckResult]:
    """Run the checks of one table and family, as `steps` gives them; one result each."""
    began = time.perf_counter()
    counted = _counted(cdm, [check for check in step if why_not(cdm, check) is None])
    seconds = time.perf_counter() - began
    return [CheckResult(check, _outcome(cdm, check, counted.get(check)), seconds) for check in step]


def _counted(cdm: Cdm, checks: list[ConcreteCheck]) -> dict[ConcreteCheck, _Counts]:
    if not checks:
        return {}
    if checks[0].family == _STRUCTURE:
        return {check: (int(not _is_there(cdm, check)), 1) for check in checks}
    try:
        counts = FAMILIES[checks[0].family].count(cdm, checks)
    except duckdb.Error as error:
        if len(checks) == 1:
            return {checks[0]: type(error).__name__}
        half = len(checks) // 2
        return _counted(cdm, checks[:half]) | _counted(cdm, checks[half:])
    return dict(zip(checks, counts, strict=True))


def _is_there(cdm: Cdm, check: ConcreteCheck) -> bool:
    return cdm.has(check.table, *([check.field] if check.field else []))


def _outcome(cdm: Cdm, check: ConcreteCheck, counts: _Counts | None) -> Outcome:
    if isinstance(counts, str):
        return could_not_check(check.as_check(), f"counting {check.family} ended with {counts}")
    if counts is None:
        return _not_applicable(
            judge(check.as_check(), 0, 0, may_be_empty=True), why_not(cdm, check)
        )
    outcome = judge(check.as_check(), *counts, may_be_empty=True)
    if outcome.status is Status.NOT_APPLICABLE:
        return _not_applicable(outcome, "there is nothing that it looks at")
    if counts[1] < check.type.fewest:
        return _not_applicable(outcome, f"fewer than {check.type.fewest} to look at")
    return outcome


def _not_applicable(outcome: Outcome, reason: str | None) -> Outcome:
    return replace(outcome, status=Status.NOT_APPLICABLE, message=f"nothing to check: {reason}")


def without_empty_fields(results: Iterable[CheckResult]) -> list[CheckResult]:
    """A field without any value has passed nothing but the checks that count missing values."""
    found = list(results)
    empty = {(r.check.table, r.check.field) for r in found if is_of_empty_field(r)}
    return [_unless_empty(result, empty) for result in found]


def is_of_empty_field(result: CheckResult) -> bool:
    """Say whether the result is the one that finds that no row has a value in the field."""
    outcome = result.outcome
    of_all = bool(outcome.denominator) and outcome.violations == outcome.denominator
    return of_all and result.check.type.name == "measureValueCompleteness"


def _unless_empty(result: CheckResult, empty: set[tuple[str, str]]) -> CheckResult:
    check = result.check
    if (check.table, check.field) not in empty or check.type.counts_missing:
        return result
    if check.family == _STRUCTURE or result.outcome.status is Status.ERROR:
        return result
    return replace(result, outcome=_not_applicable(result.outcome, "the field has no value"))
