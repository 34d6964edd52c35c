"""The content of a table as one hash that depends on its rows and on nothing else.

Two tables with the same columns and the same rows have the same hash, whatever the order of rows
and columns, the layout of the files and the number of threads. Every row is turned into a canonical
text (columns by name; each value prefixed by its length in bytes, so that no value can pass for a
border; null has a sign of its own), the text into its MD5, and the hash is over the column names
and types, the number of rows, and the sums modulo 2^64 of the two halves. Sums don't know an order,
and count a row as often as it occurs. It names a content; what protects a file is its SHA-256.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import duckdb

from pumasi.errors import ReleaseError

_NESTED = ("[", "STRUCT", "MAP", "UNION")


@dataclass(frozen=True)
class TableContent:
    """Number of rows of a table, and the hash of its content (64 hex digits)."""

    rows: int
    hash: str


def table_content(connection: duckdb.DuckDBPyConnection, files: Path | str) -> TableContent:
    """Return the content of the parquet file, or of the files that the pattern matches.

    One scan, constant memory. Raises ReleaseError for a column of a nested type: its text would not
    be unambiguous.
    """
    source = {"files": str(files)}
    described = connection.execute("describe from read_parquet($files)", source).fetchall()
    columns = sorted((str(name), str(kind)) for name, kind, *_ in described)
    _refuse_nested(columns, files)
    row = connection.execute(_query([name for name, _ in columns]), source).fetchone()
    rows, low, high = row or (0, 0, 0)
    text = json.dumps([columns, int(rows), int(low), int(high)])
    return TableContent(rows=int(rows), hash=hashlib.sha256(text.encode()).hexdigest())


def _query(columns: list[str]) -> str:
    # One concat is a third faster than a chain of ||, and shifting and masking the 128 bits of
    # md5_number six times as fast as dividing them (6 million rows of 23 columns: 9 s of one core).
    text = f"concat({', '.join(_canonical(column) for column in columns)})"
    return f"""
        select count(*), coalesce(sum((h & {2**64 - 1})::ubigint) % {2**64}, 0),
            coalesce(sum((h >> 64)::ubigint) % {2**64}, 0)
        from (select md5_number({text}) as h from read_parquet($files))
    """


def _canonical(column: str) -> str:
    text = '"' + column.replace('"', '""') + '"::varchar'
    return f"coalesce(strlen({text}) || ':' || {text}, '-')"


def _refuse_nested(columns: list[tuple[str, str]], files: Path | str) -> None:
    nested = [name for name, kind in columns if any(sign in kind for sign in _NESTED)]
    if nested:
        raise ReleaseError(
            f"table {Path(files).stem}: column {', '.join(nested)} is a list or a struct, which "
            "can't be released; give every part a column of its own in the dbt model"
        )
