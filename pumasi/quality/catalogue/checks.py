"""The types of check and every concrete check, read from the data files.

`types.csv` says of each type what it counts, in words; `tables.csv`, `fields.csv` and
`concepts.csv` have one row per concrete check with its threshold (percent of the denominator) and
what it needs beside: a limit, a list, the field compared with. Source of names, switches,
thresholds, limits and lists: OHDSI DataQualityDashboard, files for CDM 5.4 (Apache-2.0; facts
only). One is mended: there `cdm_source.source_release_date` is to be not after itself.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from pumasi.quality.outcome import Category, Check, Severity

Level = Literal["TABLE", "FIELD", "CONCEPT"]

_FOLDER = Path(__file__).parent / "data"


@dataclass(frozen=True)
class CheckType:
    """A type of check.

    `severity` is DQD's word: fatal, convention or characterization. Checks of one `family` are
    counted together. `counts_missing`: a field without any value is a finding, not nothing to
    check. `violation` and `denominator` say what is counted.
    """

    name: str
    level: Level
    category: Category
    subcategory: str
    context: str
    severity: str
    family: str
    counts_missing: bool
    sentence: str
    violation: str
    denominator: str


@dataclass(frozen=True)
class ConcreteCheck:
    """A type of check applied to a table, a field or a concept. Names are lower case.

    `percent` is the share of the denominator that may violate, as DQD writes it (0..100). `value`
    is a limit, a domain, a class, a gender or a list of units; `other_table` and `other_field` are
    what the field is compared with or refers to. What a type does not need is empty.
    """

    type: CheckType
    table: str
    field: str = ""
    percent: float = 0.0
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
        is_concept = self.type.name == "isForeignKey" and self.other_table == "concept"
        return "concepts" if is_concept else self.type.family

    def as_check(self) -> Check:
        """What an `Outcome` is judged by; only what DQD calls fatal has severity ERROR."""
        return Check(
            name=self.name,
            table=self.table,
            category=self.type.category,
            severity=Severity.ERROR if self.type.severity == "fatal" else Severity.WARN,
            source="catalogue",
            threshold=self.percent / 100,
        )


@cache
def check_types() -> dict[str, CheckType]:
    """The 27 types by their DQD name: first of tables, then of fields, then of concepts."""
    return {row["check"]: _type(row) for row in _rows("types.csv")}


@cache
def concrete_checks() -> tuple[ConcreteCheck, ...]:
    """Every concrete check of the catalogue, of tables, fields and concepts in this order."""
    rows = [row for level in ("tables", "fields", "concepts") for row in _rows(f"{level}.csv")]
    return tuple(_check(row) for row in rows)


def _rows(name: str) -> list[dict[str, str]]:
    with (_FOLDER / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _type(row: dict[str, str]) -> CheckType:
    (level,) = (level for level in get_args(Level) if level == row["level"])
    (category,) = (name for name in get_args(Category) if name == row["category"].lower())
    return CheckType(
        name=row["check"],
        level=level,
        category=category,
        subcategory=row["subcategory"],
        context=row["context"].lower(),
        severity=row["severity"],
        family=row["family"],
        counts_missing=row["counts_missing"] == "yes",
        sentence=row["sentence"],
        violation=row["violation"],
        denominator=row["denominator"],
    )


def _check(row: dict[str, str]) -> ConcreteCheck:
    return ConcreteCheck(
        type=check_types()[row["check"]],
        table=row["table"],
        field=row.get("field", ""),
        percent=float(row["threshold"]),
        value=row.get("value", ""),
        other_table=row.get("other_table", ""),
        other_field=row.get("other_field", ""),
        concept_ids=tuple(int(id_) for id_ in row.get("concept_ids", "").split(",") if id_),
    )
