"""What of a delivery could not be read: where each row is and why it was refused, never its text.

Where the person of such a row could be read, the entry carries the keyed hash, so that a withdrawal
finds it. The hash of a line whose person is not known could be of anybody: it is not kept once
somebody has withdrawn.

A hospital whose export went wrong has as many of these as it has rows, so they are kept in DuckDB,
which may spill them, and are located and written a batch at a time.
"""

import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pumasi.extract.columns import csv_header
from pumasi.extract.files import Place, as_written, records
from pumasi.extract.manifest import Manifest, SourceFile
from pumasi.extract.scan import literal

BATCH_ROWS = 10_000
PLACED = pa.schema(
    {
        "source_table": pa.string(),
        "file_no": pa.int32(),
        "line_no": pa.int64(),
        "byte_offset": pa.int64(),
        "line_hash": pa.string(),
        "reason": pa.string(),
    }
)
WRITTEN = pa.schema(
    {
        "delivery_id": pa.string(),
        "source_table": pa.string(),
        "person_id": pa.int64(),
        "file": pa.string(),
        "line_no": pa.int64(),
        "byte_offset": pa.int64(),
        "line_hash": pa.string(),
        "reason": pa.string(),
    }
)
Row = Mapping[str, Any]


def make_quarantine(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the table that the quarantines of this connection and its cursors share."""
    connection.execute(
        "create table quarantined (source_table varchar, file_no integer, line_no bigint, "
        "byte_offset bigint, line_hash varchar, reason varchar, person_id bigint)"
    )


class Quarantine:
    """The rows of one delivery that were refused, each with its table, its place and the reason.

    Until a row of a text file is located, its `line_no` is the number of its record; then it is its
    line, `byte_offset` counts the decompressed bytes before it, and `line_hash` is keyed.
    `originals` are, by number, the files that were read as a copy in another encoding: offset and
    hash are those of the file that the source has.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        key: bytes,
        *,
        hashes_of_nobody: bool = True,
        originals: Mapping[int, Path] | None = None,
    ) -> None:
        self.connection = connection
        self.key = key
        self.hashes_of_nobody = hashes_of_nobody
        self.originals = {} if originals is None else originals

    def add_placed(self, table: str, file_no: int, rows: Iterable[tuple[Place, str]]) -> None:
        """Add rows whose place is known, each with its reason."""
        with self._placing(file_no) as placed:
            located = (
                {"source_table": table, "file_no": file_no, "reason": reason, **placed(place)}
                for place, reason in rows
            )
            for batch in _batches(located):
                self.connection.register("placed", pa.Table.from_pylist(batch, PLACED))
                self.connection.execute("insert into quarantined select *, null from placed")
                self.connection.unregister("placed")

    def add_numbered(self, table: str, query: str) -> None:
        """Add what the query gives: `file_no`, `line_no`, `reason` and `person_id`."""
        self.connection.execute(
            "insert into quarantined "
            f"select {literal(table)}, file_no, line_no, null, null, reason, person_id "
            f"from ({query})"
        )

    def count(self, table: str) -> int:
        """Rows of the table that were refused so far."""
        query = "select count(*) from quarantined where source_table = ?"
        return int(self.connection.execute(query, [table]).fetchall()[0][0])

    def write(self, manifest: Manifest, files: list[Path], path: Path) -> None:
        """Locate every row in its file and write them all, one row each; parquet also if none."""
        with pq.ParquetWriter(path, WRITTEN) as writer:
            for number, file in enumerate(manifest.files):
                about = {"delivery_id": manifest.delivery_id, "file": file.label}
                rows = self._located(number, file, files[number])
                for batch in _batches({**about, **row} for row in rows):
                    writer.write_table(pa.Table.from_pylist(batch, WRITTEN))

    def _located(self, number: int, file: SourceFile, path: Path) -> Iterator[Row]:
        is_text = file.container in ("csv", "ndjson")
        condition = "byte_offset is not null" if is_text else "true"
        yield from map(self._kept, self._rows(f"file_no = {number} and {condition}"))
        if not is_text:
            return
        by_record = groupby(
            self._rows(f"file_no = {number} and byte_offset is null"), itemgetter("line_no")
        )
        wanted = next(by_record, None)
        if wanted is None:
            return
        header = csv_header(path, file.label) if file.container == "csv" else None
        delimiter = header.delimiter if header and header.quoted else None
        with self._placing(number) as placed:
            for place in records(path, delimiter=delimiter):
                if wanted is None:
                    return
                if wanted[0] == (place.record if header else place.line):
                    yield from (self._kept({**row, **placed(place)}) for row in wanted[1])
                    wanted = next(by_record, None)

    @contextmanager
    def _placing(self, number: int) -> Iterator[Callable[[Place], Row]]:
        """What the quarantine says of a place in a file, asked for in ascending order."""
        original = self.originals.get(number)
        if original is None:
            yield self._place
            return
        with as_written(original) as find:
            yield lambda place: self._place(find(place))

    def _rows(self, condition: str) -> Iterator[Row]:
        # A cursor of its own: the connection goes on being used while the rows are fetched.
        with self.connection.cursor() as cursor:
            found = cursor.execute(
                "select source_table, line_no, byte_offset, line_hash, reason, person_id "
                "from quarantined "
                f"where {condition} order by line_no, source_table, reason"
            )
            names = [name for name, *_ in found.description or ()]
            while rows := found.fetchmany(BATCH_ROWS):
                yield from (dict(zip(names, row, strict=True)) for row in rows)

    def _kept(self, row: Row) -> Row:
        of_nobody = row["person_id"] is None and not self.hashes_of_nobody
        return {**row, "line_hash": None} if of_nobody else row

    def _place(self, place: Place) -> Row:
        keyed = hmac.new(self.key, b"line:" + place.content, sha256).hexdigest()
        return {"line_no": place.line, "byte_offset": place.offset, "line_hash": keyed}


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    waiting = iter(rows)
    while batch := list(islice(waiting, BATCH_ROWS)):
        yield batch
