"""A database with OMOP tables in it, whoever built it: which tables and columns it has, and where.

Names are found whatever their case. Nothing is written to the database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from pumasi.errors import QualityError
from pumasi.omop.cdm import cdm_tables

_COLUMNS = """
    select table_schema, table_name, column_name, data_type
    from information_schema.columns
    where table_catalog = current_database()
        and lower(table_schema) in (lower($schema), lower($vocabulary))
    order by all
"""
_SIGNED = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_INTEGERS = frozenset([*_SIGNED, *(f"U{name}" for name in _SIGNED)])


@dataclass(frozen=True)
class Column:
    """A column as the database spells it, and its type there."""

    name: str
    data_type: str

    @property
    def is_integer(self) -> bool:
        """Whether the type admits whole numbers only."""
        return self.data_type in _INTEGERS

    @property
    def is_number(self) -> bool:
        """Whether the type is one of numbers."""
        return self.is_integer or self.data_type.startswith(("DOUBLE", "FLOAT", "DECIMAL"))


@dataclass(frozen=True)
class Located:
    """A table that is there: its name in SQL, and its columns by their lower-case names."""

    relation: str
    columns: dict[str, Column]


@dataclass(frozen=True)
class Cdm:
    """The OMOP tables of a database by their lower-case names, and the day that counts as today."""

    connection: duckdb.DuckDBPyConnection
    tables: Mapping[str, Located]
    today: date

    @classmethod
    def find(
        cls,
        connection: duckdb.DuckDBPyConnection,
        schema: str,
        vocabulary_schema: str | None,
        today: date,
    ) -> Cdm:
        """Look up the tables of CDM 5.4, those of the vocabularies in `vocabulary_schema`.

        Raises:
            QualityError: no such schema, or no table of OMOP in it.
        """
        vocabulary = vocabulary_schema or schema
        for name in (schema, vocabulary):
            _require_schema(connection, name)
        found = connection.execute(
            _COLUMNS, {"schema": schema, "vocabulary": vocabulary}
        ).fetchall()
        there: dict[tuple[str, str], Located] = {}
        for in_schema, name, column, type_ in found:
            located = there.setdefault(
                (in_schema.lower(), name.lower()),
                Located(f"{_quoted(in_schema)}.{_quoted(name)}", {}),
            )
            located.columns[column.lower()] = Column(column, type_)
        tables = {}
        for table in cdm_tables().values():
            where = vocabulary if table.schema == "VOCAB" else schema
            if (where.lower(), table.name) in there:
                tables[table.name] = there[where.lower(), table.name]
        if not any(cdm_tables()[name].schema == "CDM" for name in tables):
            raise QualityError(
                f"schema {schema} has no table of OMOP CDM 5.4: which schema holds person?"
            )
        return cls(connection, tables, today)

    def has(self, table: str, *fields: str) -> bool:
        """Say whether the table is there with all these fields."""
        located = self.tables.get(table)
        return located is not None and all(field in located.columns for field in fields)

    def relation(self, table: str) -> str:
        """The name of the table in SQL."""
        return self.tables[table].relation

    def column(self, table: str, field: str, alias: str = "t") -> str:
        """The field in SQL, of a relation called `alias`."""
        return f"{alias}.{_quoted(self.tables[table].columns[field].name)}"

    def type_of(self, table: str, field: str) -> Column:
        """The column behind the field."""
        return self.tables[table].columns[field]

    def like(self, table: str, field: str, other_table: str, other_field: str) -> str:
        """The field in SQL, of a relation called `t`, so that it compares with the other one.

        What was loaded from files has text where a column is empty; DuckDB compares no text with
        numbers. A value that can't be cast breaks the query.
        """
        column, other = self.type_of(table, field), self.type_of(other_table, other_field)
        sql = self.column(table, field)
        same = column.data_type == other.data_type or (column.is_number and other.is_number)
        return sql if same else f"{sql}::{other.data_type}"


@contextmanager
def open_database(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection to a DuckDB file.

    Raises:
        QualityError: no such file, no DuckDB file, or another process holds it.
    """
    if not path.is_file():
        raise QualityError(f"there is no file {path}")
    try:
        connection = duckdb.connect(str(path), read_only=True)
    except duckdb.Error as error:
        held = "lock" in str(error).lower()
        cause = "another process holds it" if held else "it is no DuckDB file of this version"
        raise QualityError(f"{path.name} can't be opened: {cause}") from None
    with connection:
        # Long work reports its progress here, not in DuckDB's own bar.
        connection.execute("set enable_progress_bar = false")
        yield connection


def _require_schema(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    rows = connection.execute(
        "select distinct schema_name from duckdb_schemas()"
        " where database_name = current_database() and not internal order by all"
    ).fetchall()
    schemas = [str(row[0]) for row in rows]
    if name.lower() not in {*map(str.lower, schemas), "main"}:
        raise QualityError(f"there is no schema {name}; there are {', '.join(schemas) or 'none'}")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
