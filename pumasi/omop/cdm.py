"""The tables and fields of OMOP CDM 5.4, as data.

The two CSV files beside this module hold what the specification states of a table and a field:
names, types, which are required, keys and what they refer to. Names are lower case.
Source: OHDSI CommonDataModel, the field and table lists of version 5.4 (Apache-2.0; facts only).
The columns `description` and `always_empty` are ours, in our own words.
"""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

# Where a table lives: with the data, with the vocabularies, or with what studies make.
CdmSchema = Literal["CDM", "VOCAB", "RESULTS"]

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class CdmField:
    """A field of a table; what it refers to is None where the specification names nothing.

    `domain` is the domain and `concept_class` the class that its concepts must have; several
    domains are separated by ", ". `always_empty` says why Pumasi never fills the field, or is None.
    """

    table: str
    name: str
    data_type: str
    required: bool
    primary_key: bool
    foreign_table: str | None
    foreign_field: str | None
    domain: str | None
    concept_class: str | None
    description: str
    always_empty: str | None


@dataclass(frozen=True)
class CdmTable:
    """A table with its fields, in the order of the specification.

    The description ends with what a row is.
    """

    name: str
    schema: CdmSchema
    required: bool
    description: str
    fields: tuple[CdmField, ...]

    @property
    def primary_key(self) -> str | None:
        """The field that identifies a row, if the specification names one."""
        return next((field.name for field in self.fields if field.primary_key), None)


@cache
def cdm_tables() -> dict[str, CdmTable]:
    """Every table of CDM 5.4 by its name, in the order of the specification."""
    fields: dict[str, list[CdmField]] = {}
    for row in _rows("cdm_5_4_fields.csv"):
        fields.setdefault(row["table"], []).append(_field(row))
    return {
        row["table"]: CdmTable(
            name=row["table"],
            schema=_schema(row["schema"]),
            required=row["required"] == "yes",
            description=row["description"],
            fields=tuple(fields[row["table"]]),
        )
        for row in _rows("cdm_5_4_tables.csv")
    }


def _rows(name: str) -> list[dict[str, str]]:
    with (_FOLDER / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _field(row: dict[str, str]) -> CdmField:
    return CdmField(
        table=row["table"],
        name=row["field"],
        data_type=row["type"],
        required=row["required"] == "yes",
        primary_key=row["primary_key"] == "yes",
        foreign_table=row["foreign_table"] or None,
        foreign_field=row["foreign_field"] or None,
        domain=row["domain"] or None,
        concept_class=row["concept_class"] or None,
        description=row["description"],
        always_empty=row["always_empty"] or None,
    )


def _schema(name: str) -> CdmSchema:
    for schema in get_args(CdmSchema):
        if schema == name:
            return schema  # type: ignore[no-any-return]
    raise ValueError(f"cdm_5_4_tables.csv: unknown schema {name}")
