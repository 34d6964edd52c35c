"""A search for identifiers, as whole words, in everything that a home holds.

Words are runs of letters or digits, without case; a number with a decimal point is one word. An
identifier is found where its words follow each other, whatever stands between them.
"""

from __future__ import annotations

import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Set
from contextlib import closing
from pathlib import Path

import duckdb

from pumasi.release.candidate import VOCABULARY

WORD = re.compile(r"\d+\.\d+|[^\W_]+")
# As JSON and Python write what is no letter or digit: it must not stick to the word that follows.
ESCAPED = re.compile(r"\\+u([0-9a-fA-F]{4})|\\+[nrt]")
JOINED_LENGTH = 9
SQLITE = b"SQLite format 3\0"


class Finder:
    """Finds the identifiers of an extract in texts."""

    def __init__(self, identifiers: Mapping[str, Set[str]]) -> None:
        self._by_first: dict[str, list[tuple[tuple[str, ...], str]]] = defaultdict(list)
        for kind, values in identifiers.items():
            for value in values:
                self._add(kind, value)

    def _add(self, kind: str, value: str) -> None:
        words = tuple(WORD.findall(value.lower()))
        self._by_first[words[0]].append((words, f"{kind}: {value}"))
        joined = "".join(words)
        if len(words) > 1 and len(joined) >= JOINED_LENGTH:
            self._by_first[joined].append(((joined,), f"{kind}: {value}, without separators"))

    def found(self, text: str) -> set[str]:
        """Kind and value of every identifier in the text."""
        words = WORD.findall(ESCAPED.sub(_unescaped, text).lower())
        return {
            said
            for at, word in enumerate(words)
            if word in self._by_first
            for wanted, said in self._by_first[word]
            if tuple(words[at : at + len(wanted)]) == wanted
        }


def _unescaped(match: re.Match[str]) -> str:
    return chr(int(match.group(1), 16)) if match.group(1) else " "


def texts_of_files(folder: Path) -> Iterator[tuple[str, str]]:
    """Place and text of every file that is no table: logs, targets, manifests, event logs, keys."""
    for path in sorted(folder.rglob("*")):
        place = str(path.relative_to(folder))
        if not path.is_file() or path.suffix in (".parquet", ".duckdb"):
            continue
        content = path.read_bytes()
        if content.startswith(SQLITE):
            yield place, _text_of_sqlite(path)
        else:
            yield place, content.decode(errors="replace")


def _text_of_sqlite(path: Path) -> str:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.text_factory = lambda raw: raw.decode(errors="replace")
        names = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
        rows = (row for (name,) in names for row in connection.execute(f'select * from "{name}"'))
        return "\n".join(str(value) for row in rows for value in row if value is not None)


def texts_of_tables(site: Path) -> Iterator[tuple[str, str]]:
    """Place and distinct values of every column with text below a site's folder, nested ones too.

    Vocabulary tables are excepted: their names of concepts are nobody's.
    """
    for place, connection, relation in _relations(site):
        for column in columns_like(connection, relation, "VARCHAR|BLOB|JSON"):
            values = connection.execute(
                f'select distinct "{column}"::varchar from {relation} where "{column}" is not null'
            ).fetchall()
            yield f"{place} {column}", "\n".join(value for (value,) in values)


def ids_in_tables(site: Path) -> Iterator[tuple[str, set[int]]]:
    """Place and distinct values of every column of person or visit ids below a site's folder."""
    for place, connection, relation in _relations(site):
        for column in columns_like(connection, relation, "BIGINT"):
            if re.search("person|patient|visit|encounter", column) and column.endswith("_id"):
                values = connection.execute(f'select distinct "{column}" from {relation}')
                yield f"{place} {column}", {value for (value,) in values.fetchall()}


def columns_like(connection: duckdb.DuckDBPyConnection, relation: str, kinds: str) -> list[str]:
    """Columns whose type matches."""
    described = connection.execute(f"describe from {relation}").fetchall()
    return [str(name) for name, kind, *_ in described if re.search(kinds, str(kind))]


def _relations(site: Path) -> Iterator[tuple[str, duckdb.DuckDBPyConnection, str]]:
    """Place, connection and SQL of every table, view and parquet file of a site."""
    for path in sorted(site.rglob("*.duckdb")):
        with duckdb.connect(str(path), read_only=True) as connection:
            tables = connection.execute(
                "select table_schema, table_name from information_schema.tables order by all"
            ).fetchall()
            for schema, name in tables:
                if name not in VOCABULARY and "vocabulary__" not in name:
                    yield f"{path.name} {schema}.{name}", connection, f'"{schema}"."{name}"'
    with duckdb.connect() as connection:
        for path in sorted(site.rglob("*.parquet")):
            if path.parent.name != "vocabulary":
                place = str(path.relative_to(site))
                yield place, connection, f"read_parquet('{path}')"
