"""What may enter from a source table: the allow-list, with types and meaning, as data.

A column that no contract names never enters. Every column has a kind, and the kind decides how its
text is typed, hashed, admitted or nulled (see `pumasi.extract.projection`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """How the text of a source column becomes a value."""

    PERSON = "person"  # identifier of a person -> keyed hash
    VISIT = "visit"  # identifier of a visit -> keyed hash
    EVENT = "event"  # identifier of any other row about a person -> keyed hash
    PLACE = "place"  # identifier of what many persons share, as a ward or doctor -> keyed hash
    SPLIT = "split"  # identifier of a person -> 0..99, another keyed hash
    DATE = "date"  # first ten characters, as written at the source
    YEAR = "year"  # of a date
    MONTH = "month"  # of a date
    TIMESTAMP = "timestamp"  # local time as written, offset dropped
    INTEGER = "integer"
    DOUBLE = "double"
    CODE = "code"  # a code of a code system: admitted by its shape
    VALUE = "value"  # free text at the source: admitted only when a value map lists it
    TEXT = "text"  # about the source system, never about a person
    STRUCTURE = "structure"  # nested codes and numbers, already reduced to the allow-list


IDENTIFIERS = frozenset({Kind.PERSON, Kind.VISIT, Kind.EVENT, Kind.PLACE, Kind.SPLIT})

# What a code of a code system or a UCUM unit looks like; a sentence or a full name does not.
CODE_SHAPE = r"[A-Za-z0-9.\-_/*%\[\]{}()^:+'#&,]{1,50}"
# What the number of a person or a telephone looks like, and no code does: the last group of a NDC
# has two digits at most, the middle of a long SNOMED id no day.
DAY_OF_BIRTH = r"\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"
NUMBER_SHAPES = (
    r"\d{6}-\d{7}",  # resident registration number
    rf"{DAY_OF_BIRTH}[0-9]\d{{6}}",  # the same without its dash
    r"\d{3}-\d{2}-\d{4}",  # social security number
    r"(\+?\d{1,3}[-.]?)?\(?\d{1,4}[-.)]-?\d{3,4}[-.]\d{4}",  # telephone, in groups
    r"(\+\d{8,15}|010\d{8})",  # telephone, in one
)


def is_code(expression: str) -> str:
    """SQL condition: the text has the shape of a code."""
    shape = CODE_SHAPE.replace("'", "''")
    numbers = "|".join(NUMBER_SHAPES)
    return (
        f"(regexp_full_match({expression}, '{shape}') "
        f"and not regexp_full_match({expression}, '{numbers}'))"
    )


@dataclass(frozen=True)
class Column:
    """One column of a raw table.

    `sources` are the names it may have at the source (CSV, parquet; compared without case) or the
    SQL expressions over the parsed resource (FHIR); the first that exists is taken. `required`: a
    file without it is refused, a row without it is quarantined. `expected`: a file without it is
    refused, because it carries data, but a row may lack it. `values` are the strings that every
    site admits; `sql_type` is for structures. `offered` is SQL: how many values the source has for
    it, where its expression can leave out some; `refusal` is the reason for which a row is
    quarantined if it leaves out all that a required column was offered. `compact`: a day may be
    written without dashes, as 20240131.
    """

    name: str
    kind: Kind
    sources: tuple[str, ...] = ()
    required: bool = False
    expected: bool = False
    domain: str = ""
    values: tuple[str, ...] = ()
    sql_type: str = ""
    offered: str = ""
    refusal: str = ""
    compact: bool = False

    def source_names(self) -> tuple[str, ...]:
        """Names that the column may have at the source, lower case."""
        return tuple(name.lower() for name in self.sources or (self.name,))


@dataclass(frozen=True)
class Record:
    """What a row without a person may be about: a record of another table, by its key.

    `column` is the key in the row, `key` in the other table; `when` is SQL over the row: whether
    this record is meant.
    """

    column: str
    table: str
    key: str
    when: str


@dataclass(frozen=True)
class Table:
    """One raw table: its name, its columns, and whether a delivery must have it with rows.

    A row that names no person gets the one of the record that it is `about`, in the table's column
    of a person; without that it is quarantined, for nobody could take it back.
    """

    name: str
    columns: tuple[Column, ...]
    required: bool = False
    resource: str = ""
    structure: Mapping[str, Any] = field(default_factory=dict)
    about: tuple[Record, ...] = ()


@dataclass(frozen=True)
class Format:
    """A source format: its raw tables, and the containers that its files may be."""

    name: str
    tables: tuple[Table, ...]
    containers: frozenset[str]

    def table(self, name: str) -> Table:
        """The table called `name`; KeyError if there is none."""
        return next(table for table in self.tables if table.name == name)


def person_column(table: Table) -> str:
    """SQL of the column with the person whom a row is about; null where a table has none."""
    names = [column.name for column in table.columns if column.kind is Kind.PERSON]
    return f'"{names[0]}"' if names else "null::bigint"


SQL_TYPES: Mapping[Kind, str] = {
    Kind.PERSON: "bigint",
    Kind.VISIT: "bigint",
    Kind.EVENT: "bigint",
    Kind.PLACE: "bigint",
    Kind.SPLIT: "integer",
    Kind.DATE: "date",
    Kind.YEAR: "integer",
    Kind.MONTH: "integer",
    Kind.TIMESTAMP: "timestamp",
    Kind.INTEGER: "integer",
    Kind.DOUBLE: "double",
    Kind.CODE: "varchar",
    Kind.VALUE: "varchar",
    Kind.TEXT: "varchar",
}


def sql_type(column: Column) -> str:
    """DuckDB type of the column in raw parquet."""
    return column.sql_type or SQL_TYPES[column.kind]
