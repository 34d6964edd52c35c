"""The types of check and every concrete check, read from the data files.

`types.csv` says of each type what it counts, in words; `tables.csv`, `fields.csv` and
`concepts.csv` have one row per concrete check with its threshold (percent of the denominator) and
what it needs beside: a limit, a list, the field compared with. `own_types.csv` and `own_checks.csv`
are the same for what DQD lacks. Source of names, switches,
thresholds, limits and lists: OHDSI DataQualityDashboard, files for CDM 5.4 (Apache-2.0; facts
only). One is mended: there `cdm_source.source_release_date` is to be not after itself.

A build that Pumasi made is checked by `build_checks`: without what dbt tests already (column
`in_build`), and where `departures.csv` says so, with a threshold or severity other than DQD's.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from pumasi.omop.cdm import cdm_tables
from pumasi.quality.outcome import Category, Check, Severity

Level = Literal["TABLE", "FIELD", "CONCEPT"]
# What checks a type where Pumasi built the tables: dbt holds structure and keys.
Checker = Literal["catalogue", "dbt"]

# Tables of which not all that is referred to need be there (decisions 0027 and 0038).
_NOT_BY_DBT = ("concept", "location", "care_site", "provider")
_FOLDER = Path(__file__).parent / "data"


@dataclass(frozen=True)
class CheckType:
    """A type of check.

    `severity` is DQD's word: fatal, convention or characterization. `in_build` is what checks it in
    a build. Checks of one `family` are counted together. `counts_missing`: a field without any
    value is a finding, not nothing to check. `violation` and `denominator` say what is counted.
    """

    name: str
    level: Level
    category: Category
    subcategory: str
    context: str
    severity: str
    in_build: Checker
    family: str
    counts_missing: bool
    sentence: str
    violation: str
    denominator: str


@dataclass(frozen=True)
class ConcreteCheck:
    """A type of check applied to a table, a field or a concept. Names are lower case.

    `percent` is the share of the denominator that may violate, as DQD writes it (0..100).
    `severity` is None where its type says it. `value`
    is a limit, a domain, a class, a gender or a list of units; `other_table` and `other_field` are
    what the field is compared with or refers to. What a type does not need is empty.
    """

    type: CheckType
    table: str
    field: str = ""
    percent: float = 0.0
    severity: Severity | None = None
    value: str = ""
    other_table: str = ""
    other_field: str = ""
    concept_ids: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """Its stable name: the table and a sentence that is true when the check passes."""
        sentence = self.type.sentence.format(
            field=self.field,
            other_table=self.other_table,
            other_field=self.other_field,
            concepts="_".join(map(str, self.concept_ids)),
        )
        return f"{self.table}.{sentence}"

    @property
    def dqd_id(self) -> str:
        """DQD's checkId, for comparing results."""
        concepts = ",".join(map(str, self.concept_ids))
        parts = (self.type.level, self.type.name, self.table, self.field, concepts)
        return "_".join(part for part in parts if part).lower()

    @property
    def family(self) -> str:
        """The family that it is counted with: references to concepts go with the concepts."""
        return "concepts" if self._refers_to_a_concept else self.type.family

    @property
    def in_build(self) -> Checker:
        """What checks it in a build: dbt tests no reference to a concept, a place or a provider."""
        is_reference = self.type.name == "isForeignKey" and self.other_table in _NOT_BY_DBT
        return "catalogue" if is_reference else self.type.in_build

    @property
    def _refers_to_a_concept(self) -> bool:
        return self.type.name == "isForeignKey" and self.other_table == "concept"

    def as_check(self) -> Check:
        """What an `Outcome` is judged by: of severity ERROR is what DQD calls fatal."""
        by_type = Severity.ERROR if self.type.severity == "fatal" else Severity.WARN
        return Check(
            name=self.name,
            table=self.table,
            category=self.type.category,
            severity=self.severity or by_type,
            source="catalogue",
            threshold=self.percent / 100,
        )


@cache
def check_types() -> dict[str, CheckType]:
    """The 27 types by their DQD name: first of tables, then of fields, then of concepts."""
    return {row["check"]: _type(row) for row in _rows("types.csv")}


@cache
def own_types() -> dict[str, CheckType]:
    """The types that DQD lacks, by name."""
    return {row["check"]: _type(row) for row in _rows("own_types.csv")}


@cache
def concrete_checks() -> tuple[ConcreteCheck, ...]:
    """Every concrete check of the catalogue, of tables, fields and concepts in this order."""
    rows = [row for level in ("tables", "fields", "concepts") for row in _rows(f"{level}.csv")]
    return tuple(_check(row) for row in rows)


@cache
def own_checks() -> tuple[ConcreteCheck, ...]:
    """Every concrete check of a type that DQD lacks."""
    return tuple(_check(row) for row in _rows("own_checks.csv"))


@cache
def build_checks() -> tuple[ConcreteCheck, ...]:
    """The checks that a build leaves to the catalogue; the vocabulary is not the hospital's."""
    vocabulary = {table.name for table in cdm_tables().values() if table.schema == "VOCAB"}
    departures = _departures()
    return tuple(
        _departed(check, departures)
        for check in (*concrete_checks(), *own_checks())
        if check.in_build == "catalogue"
        and check.table not in vocabulary
        and not _is_of_a_delivery_day(check)
    )


def _is_of_a_delivery_day(check: ConcreteCheck) -> bool:
    """Whether the extract's last day is no limit of it: a delivery is made after that day."""
    return check.type.name == "plausibleValueHigh" and check.table == "cdm_source"


def _departures() -> dict[tuple[str, str, str], dict[str, str]]:
    """What differs by type, table and field; a row without table is of every check of its type."""
    return {(row["check"], row["table"], row["field"]): row for row in _rows("departures.csv")}


def _departed(
    check: ConcreteCheck, departures: Mapping[tuple[str, str, str], dict[str, str]]
) -> ConcreteCheck:
    own = departures.get((check.type.name, check.table, check.field))
    row = own or departures.get((check.type.name, "", ""))
    if row is None:
        return check
    return replace(
        check,
        percent=float(row["threshold"]) if row["threshold"] else check.percent,
        severity=Severity(row["severity"]) if row["severity"] else None,
    )


def _rows(name: str) -> list[dict[str, str]]:
    with (_FOLDER / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _type(row: dict[str, str]) -> CheckType:
    (level,) = (level for level in get_args(Level) if level == row["level"])
    (category,) = (name for name in get_args(Category) if name == row["category"].lower())
    (checker,) = (name for name in get_args(Checker) if name == row["in_build"])
    return CheckType(
        name=row["check"],
        level=level,
        category=category,
        subcategory=row["subcategory"],
        context=row["context"].lower(),
        severity=row["severity"],
        in_build=checker,
        family=row["family"],
        counts_missing=row["counts_missing"] == "yes",
        sentence=row["sentence"],
        violation=row["violation"],
        denominator=row["denominator"],
    )


def _check(row: dict[str, str]) -> ConcreteCheck:
    return ConcreteCheck(
        type=(check_types() | own_types())[row["check"]],
        table=row["table"],
        field=row.get("field", ""),
        percent=float(row["threshold"]),
        value=row.get("value", ""),
        other_table=row.get("other_table", ""),
        other_field=row.get("other_field", ""),
        concept_ids=tuple(int(id_) for id_ in row.get("concept_ids", "").split(",") if id_),
    )
