"""A tiny CDM in memory for tests: every table of 5.4, empty but for the rows that a test gives.

The tables are in schema cdm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb

from pumasi.omop.cdm import CdmField, cdm_tables
from pumasi.quality import Outcome
from pumasi.quality.catalogue import Cdm, CheckResult, ConcreteCheck, concrete_checks, run_catalogue
from pumasi.quality.catalogue.checks import own_checks

TODAY = date(2026, 7, 1)
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Case:
    """A check on rows by table, and what it must count."""

    type: str
    table: str
    rows: Mapping[str, Rows]
    violations: int
    denominator: int
    field: str = ""
    concept: int = 0
    types: Mapping[str, str] | None = None
    without: tuple[str, ...] = ()


def rows(field_: str, *values: Any, **others: Any) -> Rows:
    """One row per value of the field, with the other columns alike."""
    return [{field_: value, **others} for value in values]


def days(field_: str, *values: tuple[int, date | None]) -> Rows:
    """One row per person and day."""
    return [{"person_id": person, field_: day} for person, day in values]


def tiny_cdm(
    rows: Mapping[str, Rows] | None = None,
    types: Mapping[str, str] | None = None,
    without: Sequence[str] = (),
) -> Cdm:
    """A CDM with these rows by table, what they don't name being null.

    `types` gives columns ("table.field") another type; `without` are tables or columns left out.
    """
    connection = duckdb.connect()
    connection.execute("create schema cdm; use cdm")
    for table in cdm_tables().values():
        if table.name in without:
            continue
        columns = ", ".join(
            f'"{field.name}" {(types or {}).get(f"{table.name}.{field.name}") or _type(field)}'
            for field in table.fields
            if f"{table.name}.{field.name}" not in without
        )
        connection.execute(f"create table {table.name} ({columns})")
    for name, each in (rows or {}).items():
        insert(connection, name, each)
    return Cdm.find(connection, "cdm", None, TODAY)


def insert(connection: duckdb.DuckDBPyConnection, table: str, rows: Rows) -> None:
    """Add rows, each with its own columns."""
    for row in rows:
        marks = ", ".join("?" for _ in row)
        connection.execute(
            f"insert into {table} ({', '.join(row)}) values ({marks})", list(row.values())
        )


def _type(field: CdmField) -> str:
    if field.data_type.startswith("varchar"):
        return "varchar"
    return {"integer": "bigint", "datetime": "timestamp", "float": "double"}.get(
        field.data_type, field.data_type
    )


def check_of(type_: str, table: str, field: str = "", concept: int = 0) -> ConcreteCheck:
    """The check of this type on this table, field and concept."""
    (check,) = (
        c
        for c in (*concrete_checks(), *own_checks())
        if (c.type.name, c.table, c.field) == (type_, table, field)
        and (concept in c.concept_ids or not concept)
    )
    return check


def result_of(cdm: Cdm, check: ConcreteCheck) -> CheckResult:
    """The check's result among those of all checks of its table."""
    same = [c for c in (*concrete_checks(), *own_checks()) if c.table == check.table]
    (result,) = (r for r in run_catalogue(cdm, same) if r.check == check)
    return result


def outcome_of(case: Case) -> Outcome:
    """The outcome of the case's check on its rows."""
    cdm = tiny_cdm(case.rows, case.types, case.without)
    return result_of(cdm, check_of(case.type, case.table, case.field, case.concept)).outcome
