"""Part: one file of a delivery read for one of its tables, as parquet with a reason per bad row.

Whoever reads several files at once gives each a cursor of its own: what DuckDB refuses stands in
tables of the cursor, and quarantine and withdrawn persons in tables that all of them share.
"""

from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import duckdb
import pyarrow as pa

from pumasi.config import SiteConfig
from pumasi.errors import DeliveryError, PseudonymisationError
from pumasi.extract.columns import Header, csv_header, parquet_header
from pumasi.extract.contract import Format, Kind, Table
from pumasi.extract.files import Place, line_at, places_at, records, text_at
from pumasi.extract.formats import FORMATS
from pumasi.extract.manifest import Manifest, SourceFile
from pumasi.extract.projection import select_rows, source_text
from pumasi.extract.pull import attach, database_table
from pumasi.extract.quarantine import Quarantine
from pumasi.extract.scan import (
    Scan,
    broken,
    bundle_lines,
    csv_scan,
    json_scan,
    lines_inside_values,
    literal,
    ndjson_lines,
    number_around,
    parquet_relation,
    table_scan,
    texts_of,
)
from pumasi.extract.swallowed import candidates, firm_columns, holds_a_row
from pumasi.extract.workplace import no_row_values

# A third of DuckDB's own: a row group is held in memory until it is whole.
ROW_GROUP_ROWS = 40960
# Values to be looked into that are held at a time.
FETCHED_ROWS = 1000


@dataclass(frozen=True)
class Part:
    """What was read of a file, or of all Bundles, for a table.

    `seen` are the lines of NDJSON, or the entries of Bundles, that the table accounts for.
    """

    table: str
    path: Path
    number: int | None = None
    seen: int = 0


@dataclass
class PartReader:
    """Reads files of a delivery, one after the other, on a cursor of its own.

    `database` is held while a DuckDB file is attached: all cursors see it by the same name.
    """

    config: SiteConfig
    manifest: Manifest
    files: Sequence[Path]
    work: Path
    connection: duckdb.DuckDBPyConnection
    quarantine: Quarantine
    database: Lock

    def read_file(self, table: Table, number: int) -> Part:
        """Read the file of that number, which is no Bundle; raises DeliveryError."""
        file = self.manifest.files[number]
        part = self.work / f"{table.name}.{number}.part"
        seen = 0
        with no_row_values(file.label):
            match file.container:
                case "csv":
                    self._read_csv(table, number, file, part)
                case "ndjson":
                    seen = self._read_ndjson(table, number, file, part)
                case "parquet":
                    header = parquet_header(self.files[number], file.label)
                    relation = parquet_relation(self.files[number])
                    self._copy(table, table_scan(relation, header, table), str(number), part)
                case "duckdb":
                    with self.database:
                        self._read_database(table, number, file, part)
        return Part(table.name, part, number, seen)

    def read_bundles(self, table: Table, numbers: Sequence[int]) -> Part:
        """Read the Bundles of these numbers together: most hold a single patient."""
        part = self.work / f"{table.name}.bundles.part"
        main = table.required  # what can't be told to be anything counts as a patient
        lines = bundle_lines([self.files[n] for n in numbers])
        scan = json_scan(lines, table, main=main, place="file_at, line_no")
        self._copy(table, scan, f"{list(numbers)}[file_at]", part)
        return Part(table.name, part, seen=self._rows(part))

    def _read_csv(self, table: Table, number: int, file: SourceFile, part: Path) -> None:
        path = self.files[number]
        header = csv_header(path, file.label)

        def scan(rejects: bool) -> Scan:
            around = self._around(table, number) if rejects else None
            return csv_scan(path, header, table, around=around)

        try:
            rejected = self._copy_once(table, number, part, scan)
        except duckdb.InvalidInputException as error:
            # DuckDB says no more of mixed line ends than this; what else it refuses is not theirs.
            if "state machine" not in str(error):
                raise
            raise DeliveryError(
                f"{file.label}: its lines can't be told apart: two kinds of line end are mixed, or "
                "a value has a lone carriage return. Nothing of it was taken in; export it again"
            ) from None
        accounted = 1 + self._rows(part) + rejected.num_rows
        several = accounted != file.lines
        if several:
            relation = scan(False).relation
            accounted += self._one(f"select {lines_inside_values(header, table)} from {relation}")
        if accounted != file.lines:
            suspect = self._suspect(number, header, scan(False), rejected)
            is_long = self._has_too_many_values(number, header, scan(False), rejected)
            raise lines_do_not_add_up(self.manifest, file, accounted, line=suspect, is_long=is_long)
        self._quarantine_rejected(table, number, rejected, header)
        if several:
            relation = scan(rejected.num_rows > 0).relation
            self._refuse_swallowed_rows(table, number, file, header, relation)
        if rejected.num_rows:
            self._copy(table, scan(True), str(number), part)

    def _refuse_swallowed_rows(
        self, table: Table, number: int, file: SourceFile, header: Header, relation: str
    ) -> None:
        """Look into the values of several lines: none may hold what is a row by itself."""
        texts = texts_of(header, table)
        if not texts:
            return
        firm = firm_columns(table, header)
        found = self.connection.execute(candidates(relation, header, texts))
        bad: set[int] = set()
        while rows := found.fetchmany(FETCHED_ROWS):
            bad |= {row for row, at, value in rows if holds_a_row(value, at, header, firm)}
            bad = set(sorted(bad)[:1])
        for record in bad:
            places = records(self.files[number], delimiter=header.delimiter)
            line = next(place.line for place in places if place.record == record)
            raise DeliveryError(
                f"{file.label}, line {line}: a value of several lines that begins there holds "
                "what is a whole row: is a quotation mark opened there and not closed? Nothing "
                f"of delivery {self.manifest.delivery_id} was taken in: mend the line, or have "
                "line breaks left out of texts, and export the file again"
            )

    def _suspect(self, number: int, header: Header, scan: Scan, rejected: pa.Table) -> int | None:
        """Line of the first record that was refused, else of the first that breaks a line."""
        path = self.files[number]
        if rejected.num_rows:
            return line_at(path, rejected["at"][0].as_py())
        row = self._one(f"select min(line_no) from {scan.relation} where {broken(header)}")
        places = records(path, delimiter=header.delimiter)
        return next((place.line for place in places if place.record == row), None)

    def _has_too_many_values(
        self, number: int, header: Header, scan: Scan, rejected: pa.Table
    ) -> bool:
        """Whether all that was refused is too long, and nothing looks like an open quotation mark.

        Of very many such lines DuckDB leaves some out without saying so.
        """
        if set(rejected["reason"].unique().to_pylist()) != {"too many columns"}:
            return False
        if b'"' in text_at(self.files[number], rejected["at"][0].as_py()):
            return False
        return not self._one(f"select count(*) from {scan.relation} where {broken(header)}")

    def _read_ndjson(self, table: Table, number: int, file: SourceFile, part: Path) -> int:
        main = table.name == _main_table(FORMATS[self.manifest.format], file)
        path = self.files[number]

        def scan(rejects: bool) -> Scan:
            around = self._around(table, number) if rejects else None
            return json_scan(ndjson_lines(path, around=around), table, main=main)

        rejected = self._copy_once(table, number, part, scan)
        # A line that is no resource is counted once, whichever tables the file holds.
        self._quarantine_rejected(table, number, rejected, None, keep=main)
        if rejected.num_rows:
            self._copy(table, scan(True), str(number), part)
        return self._rows(part) + (rejected.num_rows if main else 0)

    def _read_database(self, table: Table, number: int, file: SourceFile, part: Path) -> None:
        attach(self.connection, self.files[number], file.label)
        try:
            there = database_table(self.connection, table.name, file.label)
            if there is None:
                raise changed(self.manifest, f"table {table.name} of {file.label}")
            self._copy(table, table_scan(*there, table), str(number), part)
        finally:
            self.connection.execute("detach source")

    def _copy_once(
        self, table: Table, number: int, part: Path, scan: Callable[[bool], Scan]
    ) -> pa.Table:
        """Copy; byte offset (`at`) and `reason` of every record that DuckDB refused, by offset."""
        self._forget_rejects()
        self._copy(table, scan(False), str(number), part)
        rejected = self.connection.sql(
            "select line_byte_position - 1 as at, min(lower(error_type::varchar)) as reason "
            "from reject_errors group by all order by all"
        ).to_arrow_table()
        self._forget_rejects()
        return rejected

    def _forget_rejects(self) -> None:
        # They hold the refused lines.
        self.connection.execute("drop table if exists reject_errors")
        self.connection.execute("drop table if exists reject_scans")

    def _quarantine_rejected(
        self,
        table: Table,
        number: int,
        rejected: pa.Table,
        header: Header | None,
        *,
        keep: bool = True,
    ) -> None:
        """Locate what DuckDB refused, so that the rows around it are numbered as they lie there."""
        if not rejected.num_rows:
            return
        numbers = array("q")

        def located() -> Iterator[tuple[Place, str]]:
            delimiter = header.delimiter if header and header.quoted else None
            offsets = _values(rejected["at"])
            places = places_at(self.files[number], offsets, delimiter=delimiter)
            for place, reason in zip(places, _values(rejected["reason"]), strict=False):
                numbers.append(place.record if header else place.line)
                yield place, reason

        if keep:
            self.quarantine.add_placed(table.name, number, located())
        else:
            deque(located(), maxlen=0)
        around = self._around(table, number)
        number_around(self.connection, around, numbers, header=header is not None)

    def _copy(self, table: Table, scan: Scan, file_no: str, part: Path) -> None:
        admitted = {
            name.partition(".")[2]: values
            for name, values in self.config.values.items()
            if name.partition(".")[0] == table.name
        }
        query = select_rows(
            table.columns,
            scan.sources,
            scan.relation,
            admitted,
            delivery_id=self.manifest.delivery_id,
            file_no=file_no,
            unreadable=scan.unreadable,
            where=scan.where,
        )
        write_parquet(self.connection, query, part)
        kind = table.columns[0].kind
        if kind is Kind.VISIT or (table.required and kind is Kind.PERSON):
            self._check_collisions(table, scan)

    def _around(self, table: Table, number: int) -> str:
        """Name of the function that numbers the rows around refused ones: all cursors see it."""
        return f"rejected_before_{table.name}_{number}"

    def _check_collisions(self, table: Table, scan: Scan) -> None:
        """Two identifiers with one hash: 63 bits make it improbable, so it is checked."""
        column = table.columns[0]
        text = source_text(column, scan.sources[column.name])
        ids, keys = self.connection.execute(
            f"select count(distinct x), count(distinct pseudonym('{column.domain}', x)) "
            f"from (select {text} as x from {scan.relation} where {scan.where})"
        ).fetchall()[0]
        if ids != keys:
            raise PseudonymisationError(
                f"{table.name}: {ids - keys} identifiers share a keyed hash with another; "
                "nothing was taken in. Make a new key before the first delivery, and tell us"
            )

    def _rows(self, part: Path) -> int:
        return self._one(f"select count(*) from {parquet_relation(part)}")

    def _one(self, query: str) -> int:
        return self.connection.execute(query).fetchall()[0][0]  # type: ignore[no-any-return]


def write_parquet(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    """Write what the query gives as zstd parquet with small row groups."""
    target = literal(str(path))
    connection.execute(
        f"copy ({query}) to {target} "
        f"(format parquet, compression zstd, row_group_size {ROW_GROUP_ROWS})"
    )


def changed(manifest: Manifest, what: str) -> DeliveryError:
    """The refusal of a delivery that is no longer what was pulled."""
    return DeliveryError(
        f"{what} changed or went away since delivery {manifest.delivery_id} was pulled; nothing "
        "of it was taken in. Pull again when the source has finished writing"
    )


def lines_do_not_add_up(
    manifest: Manifest,
    file: SourceFile,
    accounted: int,
    *,
    line: int | None = None,
    is_long: bool = False,
    lone: int | None = None,
) -> DeliveryError:
    """The refusal of a file of which lines are missing or too many, with the line to look at."""
    where = ""
    if line:
        where = f" Look at line {line}: is a quotation mark opened there and not closed?"
    if line and is_long:
        where = (
            f" Look at line {line}: it has more values than the header; does a text have the "
            "delimiter in it, without quotation marks around it?"
        )
    if lone:
        where = f" Line {lone} has a carriage return in it, which ends a line for some."
    return DeliveryError(
        f"{file.label} has {file.lines:,} lines, but {accounted:,} are accounted for.{where} "
        f"Nothing of delivery {manifest.delivery_id} was taken in: mend the line or "
        "export the file again"
    )


def _values(column: pa.ChunkedArray) -> Iterator[Any]:
    for chunk in column.chunks:
        for start in range(0, len(chunk), FETCHED_ROWS):
            yield from chunk.slice(start, FETCHED_ROWS).to_pylist()


def _main_table(source: Format, file: SourceFile) -> str:
    """The table that most resources of the file belong to: malformed lines are counted there."""
    named = {table.name: file.resource_types.get(table.resource, 0) for table in source.tables}
    return max((name for name in named if name in file.tables), key=lambda name: named[name])
