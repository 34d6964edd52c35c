"""What a build may have no value of: declared per source format, never inferred from the data.

A field in which no row has a value is a finding where the format offers it, because a column that
went missing on the way looks the same. What Pumasi never fills is said where the CDM is described
(`CdmField.always_empty`), what no site of a format can fill in `declared_empty.csv`, one field a
row. What a hospital's own system doesn't record, its file says (`not_recorded`).
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

from pumasi.config.site import FORMATS
from pumasi.omop.cdm import cdm_tables
from pumasi.quality.catalogue.engine import CheckResult, is_of_empty_field, without_empty_fields
from pumasi.quality.outcome import Status

_FILE = Path(__file__).parent / "data" / "declared_empty.csv"


def declared_empty(
    source_format: str, not_recorded: Iterable[str] = ()
) -> frozenset[tuple[str, str]]:
    """Table and field of what nobody, no site of the format, or not this one has a value of.

    `not_recorded` are names like "measurement.range_low".
    """
    own = (name.partition(".") for name in not_recorded)
    return _of_formats()[source_format] | {(table, field) for table, _, field in own} | _of_all()


@cache
def _of_all() -> frozenset[tuple[str, str]]:
    return frozenset(
        (field.table, field.name)
        for table in cdm_tables().values()
        for field in table.fields
        if field.always_empty
    )


@cache
def _of_formats() -> dict[str, frozenset[tuple[str, str]]]:
    with _FILE.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {
        name: frozenset((r["table"], r["field"]) for r in rows if r["format"] == name)
        for name in FORMATS
    }


def judged_as_declared(
    results: Iterable[CheckResult], declared: Collection[tuple[str, str]]
) -> list[CheckResult]:
    """Return the results of a build, in which a field without any value must have been declared."""
    return [_judged(result, declared) for result in without_empty_fields(results)]


def _judged(result: CheckResult, declared: Collection[tuple[str, str]]) -> CheckResult:
    if not is_of_empty_field(result):
        return result
    if (result.check.table, result.check.field) in declared:
        status, message = Status.NOT_APPLICABLE, "nothing to check: declared empty"
    else:
        status, message = (
            Status.FAILED,
            "no row has a value, and it is not declared that none may have",
        )
    return replace(result, outcome=replace(result.outcome, status=status, message=message))
