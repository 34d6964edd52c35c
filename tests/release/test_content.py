"""The content hash depends on columns and rows, and on nothing else."""

from __future__ import annotations

import hashlib
import json
import random
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pumasi.errors import ReleaseError
from pumasi.release import TableContent, table_content

Row = tuple[int | None, str | None, date | None, float | None]
ROWS = st.lists(
    st.tuples(
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
        st.none() | st.dates(),
        st.none() | st.floats(allow_nan=False, allow_infinity=False, width=64),
    ),
    max_size=12,
)
COLUMNS = "id bigint, txt varchar, day date, num double"


def content(
    rows: list[Row], columns: str = COLUMNS, select: str = "*", files: int = 1
) -> TableContent:
    """Write the rows as `files` parquet files and return their content."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        connection.execute(f"create table t ({columns})")
        if rows:
            marks = ", ".join("?" for _ in rows[0])
            connection.executemany(f"insert into t values ({marks})", [list(r) for r in rows])
        for n in range(files):
            connection.execute(
                f"copy (select {select} from t where rowid % {files} = {n}) "
                f"to '{folder}/{n}.parquet' (format parquet)"
            )
        return table_content(connection, Path(folder) / "*.parquet")


@settings(max_examples=40, deadline=None)
@given(ROWS, st.randoms(use_true_random=False), st.integers(1, 3))
def test_order_of_rows_order_of_columns_and_files_do_not_matter(
    rows: list[Row], shuffling: random.Random, files: int
) -> None:
    shuffled = list(rows)
    shuffling.shuffle(shuffled)

    assert content(shuffled, select="num, day, txt, id", files=files) == content(rows)


@settings(max_examples=40, deadline=None)
@given(ROWS.filter(bool), st.data())
def test_any_changed_cell_changes_the_hash(rows: list[Row], data: st.DataObject) -> None:
    row, column = data.draw(st.integers(0, len(rows) - 1)), data.draw(st.integers(0, 3))
    replacements: list[Any] = [1234567, "pumasi", date(1066, 10, 14), 0.125]
    old = rows[row][column]
    new = None if old == replacements[column] else replacements[column]
    changed = [list(r) for r in rows]
    changed[row][column] = new

    assert content([tuple(r) for r in changed]).hash != content(rows).hash  # type: ignore[misc]


@settings(max_examples=20, deadline=None)
@given(ROWS.filter(bool))
def test_a_repeated_row_counts_as_often_as_it_occurs(rows: list[Row]) -> None:
    once, twice = content(rows), content([*rows, rows[0]])

    assert twice.hash != once.hash
    assert twice.rows == once.rows + 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([("a", "bc")], [("ab", "c")]),
        ([("a1:b", "c")], [("a", "1:bc")]),
        ([(None, "a")], [("a", None)]),
        ([("", "a")], [(None, "a")]),
        ([("-", None)], [(None, "-")]),
        ([("1:x1:y", None)], [("x", "y")]),
        ([("a", "b"), ("c", "d")], [("a", "d"), ("c", "b")]),
    ],
)
def test_no_value_can_pass_for_a_border_or_a_null(one: list[Any], other: list[Any]) -> None:
    columns = "a varchar, b varchar"

    assert content(one, columns).hash != content(other, columns).hash


def test_name_and_type_of_a_column_are_content() -> None:
    rows: list[Any] = [(1,)]
    hashes = {
        content(rows, "a integer").hash,
        content(rows, "b integer").hash,
        content(rows, "a bigint").hash,
    }

    assert len(hashes) == 3


def test_an_empty_table_has_a_content_of_its_own() -> None:
    assert content([]).rows == 0
    assert content([]).hash != content([], "id bigint").hash


def test_the_hash_is_what_plain_python_computes() -> None:
    """Standard MD5 and SHA-256 only: another engine, or another version, gives the same hash."""
    rows: list[Any] = [(7, "x"), (None, "yz")]
    digests = [hashlib.md5(text).digest() for text in (b"1:71:x", b"-2:yz")]  # noqa: S324
    sums = [
        sum(int.from_bytes(digest[part], "little") for digest in digests) % 2**64
        for part in (slice(0, 8), slice(8, 16))
    ]
    text = json.dumps([[["n", "INTEGER"], ["s", "VARCHAR"]], 2, *sums])

    found = content(rows, "n integer, s varchar")

    assert found.hash == hashlib.sha256(text.encode()).hexdigest()


def test_the_number_of_threads_does_not_matter(tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select i, i / 7 as x, 'v' || i as s from range(300000) r(i)) "
            f"to '{tmp_path}/t.parquet' (format parquet, row_group_size 10000)"
        )
        found = set()
        for threads in (1, 2, 4):
            connection.execute(f"set threads = {threads}")
            found.add(table_content(connection, tmp_path / "t.parquet"))

    assert len(found) == 1
    assert found.pop().rows == 300_000


def test_a_nested_column_is_refused_by_name(tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"copy (select [1, 2] as parts) to '{tmp_path}/t.parquet'")
        with pytest.raises(ReleaseError, match="table t: column parts is a list or a struct"):
            table_content(connection, tmp_path / "t.parquet")
