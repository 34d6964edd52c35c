"""Read: the files of a delivery become raw parquet, typed and pseudonymised, and a quarantine.

Everything is written below `reading/` and becomes a folder of `raw/` by one rename at the end,
while the warehouse is held: a delivery is read whole or not at all, never half seen by a build.
Lines in are rows read plus rows quarantined plus rows of kinds that we do not use, or the delivery
is refused.
"""

import os
import shutil
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pumasi.atomic import sync_folder
from pumasi.config import SiteConfig, SitePaths
from pumasi.errors import DeliveryError, PseudonymisationError
from pumasi.extract.accounts import TableCount, write_delivery, write_read_counts
from pumasi.extract.columns import Header, csv_header, parquet_header
from pumasi.extract.contract import Format, Kind, Table, person_column, sql_type
from pumasi.extract.discover import DeliveryFolder
from pumasi.extract.encoding import UTF_8, write_utf_8
from pumasi.extract.files import Place, hash_of, line_at, lone_return, places_at, records
from pumasi.extract.formats import FORMATS
from pumasi.extract.manifest import Manifest, SourceFile
from pumasi.extract.projection import select_rows, source_text
from pumasi.extract.pseudonym import load_or_create_key, register
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
    unused_types,
)
from pumasi.extract.swallowed import candidates, firm_columns, holds_a_row
from pumasi.extract.tombstones import withdrawn_persons
from pumasi.extract.workplace import MEMORY_LIMIT, Progress, alone, connection, no_row_values
from pumasi.warehouse import hold_warehouse

# A third of DuckDB's own: a row group is held in memory until it is whole.
ROW_GROUP_ROWS = 40960
# Values to be looked into that are held at a time.
FETCHED_ROWS = 1000
QUARANTINE = "quarantine.parquet"


@dataclass
class ReadReport:
    """What reading a delivery gave; `already` if it had been read before."""

    delivery_id: str
    already: bool = False
    tables: dict[str, TableCount] = field(default_factory=dict)


def read(
    config: SiteConfig,
    manifest: Manifest,
    delivery: DeliveryFolder,
    paths: SitePaths,
    progress: Progress = lambda message: None,
    memory_limit: str = MEMORY_LIMIT,
) -> ReadReport:
    """Read the delivery into `paths.raw`; a delivery that is there already is left alone.

    Raises:
        DeliveryError: its files changed since it was pulled, its lines don't add up, it holds no
            person, or the disk is full; what was read before is as it was.
    """
    final = paths.raw / manifest.delivery_id
    place = f"delivery {manifest.delivery_id} ({manifest.folder})"
    with no_row_values(place), alone(paths, progress):
        if final.exists():
            return ReadReport(manifest.delivery_id, already=True)
        key = load_or_create_key(paths.key, create=not any(paths.raw.glob("*/delivery.parquet")))
        work = paths.reading / manifest.delivery_id
        shutil.rmtree(work, ignore_errors=True)  # what a killed process left
        for left in paths.reading.glob("*/spill"):  # of another delivery: it holds identifiers
            shutil.rmtree(left, ignore_errors=True)
        (work / "spill").mkdir(parents=True)
        try:
            with (
                delivery.files(paths.reading / "landing") as files,
                connection(work / "spill", memory_limit) as opened,
            ):
                register(opened, key)
                local = _verified(manifest, files)
                before = _times(local)
                withdrawn = withdrawn_persons(paths)
                report = _Reading(
                    config, manifest, work, opened, key, local, withdrawn, progress
                ).run()
                if _times(local) != before:
                    raise _changed(manifest, "a file")
            shutil.rmtree(work / "spill")
            _commit(manifest, work, final, paths, progress)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
    return report


def _verified(manifest: Manifest, files: dict[str, Path]) -> list[Path]:
    """Local files in the order of the manifest, each with the content that was pulled.

    Content, not the name, tells which is which, as it tells which delivery this is.
    """
    sizes = {each.bytes for each in manifest.files}
    by_hash: dict[str, list[Path]] = {}
    for path in files.values():
        if path.stat().st_size in sizes:
            by_hash.setdefault(hash_of(path), []).append(path)
    found = []
    for each in manifest.files:
        same = by_hash.get(each.sha256)
        if not same:
            raise _changed(manifest, each.label)
        found.append(same.pop(0))
    return found


def _times(files: Sequence[Path]) -> list[tuple[int, int]]:
    stats = [path.stat() for path in files]
    return [(each.st_size, each.st_mtime_ns) for each in stats]


def _changed(manifest: Manifest, what: str) -> DeliveryError:
    return DeliveryError(
        f"{what} changed or went away since delivery {manifest.delivery_id} was pulled; nothing "
        "of it was taken in. Pull again when the source has finished writing"
    )


@dataclass
class _Reading:
    """One delivery being read: the tables in turn, each from all of its files."""

    config: SiteConfig
    manifest: Manifest
    work: Path
    connection: duckdb.DuckDBPyConnection
    key: bytes
    files: list[Path]
    withdrawn: frozenset[int]
    progress: Progress
    counts: dict[str, TableCount] = field(default_factory=dict)
    seen: dict[int, int] = field(default_factory=dict)
    entries_seen: int = 0

    def __post_init__(self) -> None:
        self.originals: dict[int, Path] = {}
        self.quarantine = Quarantine(
            self.connection,
            self.key,
            hashes_of_nobody=not self.withdrawn,
            originals=self.originals,
        )
        self.connection.execute(
            "create temp table withdrawn as select unnest($1::bigint[]) as id",
            [sorted(self.withdrawn)],
        )

    def run(self) -> ReadReport:
        source = FORMATS[self.manifest.format]
        self.files = [self._in_utf_8(n, file) for n, file in enumerate(self.manifest.files)]
        for table in source.tables:
            self.progress(f"reading {table.name}")
            self._read_table(table)
        self._count_ignored(source)
        self.quarantine.write(self.manifest, self.files, self.quarantine_file)
        self._require_persons(source)
        write_read_counts(self.manifest, self.counts, self.work / "read_counts.parquet")
        write_delivery(self.manifest, self.work / "delivery.parquet")
        return ReadReport(self.manifest.delivery_id, tables=self.counts)

    def _in_utf_8(self, number: int, file: SourceFile) -> Path:
        """The file, or a copy of it; places in the quarantine are those of the file."""
        path, encoding = self.files[number], self.config.source.encoding
        if file.container != "csv" or encoding == UTF_8:
            return path
        self.progress(f"{file.label}: from {encoding.upper()} to UTF-8")
        target = self.work / "spill" / f"{number}.csv"
        write_utf_8(path, encoding, target)
        self.originals[number] = path
        return target

    @property
    def quarantine_file(self) -> Path:
        """Where the quarantine is written before the delivery is whole."""
        return self.work / QUARANTINE

    # -- tables ----------------------------------------------------------------------------------

    def _read_table(self, table: Table) -> None:
        count = self.counts.setdefault(table.name, TableCount())
        holding = [(n, f) for n, f in enumerate(self.manifest.files) if table.name in f.tables]
        parts = []
        bundles = [n for n, f in holding if f.container == "bundle"]
        if bundles:
            parts.append(self._read_bundles(table, bundles))
        for number, file in holding:
            if file.container != "bundle":
                parts.append(self._read_file(table, number, file))
        self._merge(table, parts, count)

    def _read_file(self, table: Table, number: int, file: SourceFile) -> Path:
        part = self.work / f"{table.name}.{number}.part"
        with no_row_values(file.label):
            match file.container:
                case "csv":
                    self._read_csv(table, number, file, part)
                case "ndjson":
                    self._read_ndjson(table, number, file, part)
                case "parquet":
                    header = parquet_header(self.files[number], file.label)
                    relation = parquet_relation(self.files[number])
                    self._copy(table, table_scan(relation, header, table), str(number), part)
                case "duckdb":
                    self._read_database(table, number, file, part)
        return part

    def _read_csv(self, table: Table, number: int, file: SourceFile, part: Path) -> None:
        path = self.files[number]
        header = csv_header(path, file.label)

        def scan(rejects: bool) -> Scan:
            return csv_scan(path, header, table, rejects=rejects)

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
            raise self._lines_do_not_add_up(file, accounted, suspect)
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

    def _read_ndjson(self, table: Table, number: int, file: SourceFile, part: Path) -> None:
        main = table.name == _main_table(FORMATS[self.manifest.format], file)
        path = self.files[number]

        def scan(rejects: bool) -> Scan:
            return json_scan(ndjson_lines(path, rejects=rejects), table, main=main)

        rejected = self._copy_once(table, number, part, scan)
        # A line that is no resource is counted once, whichever tables the file holds.
        self._quarantine_rejected(table, number, rejected, None, keep=main)
        if rejected.num_rows:
            self._copy(table, scan(True), str(number), part)
        counted = rejected.num_rows if main else 0
        self.seen[number] = self.seen.get(number, 0) + counted + self._rows(part)

    def _read_database(self, table: Table, number: int, file: SourceFile, part: Path) -> None:
        attach(self.connection, self.files[number], file.label)
        try:
            there = database_table(self.connection, table.name, file.label)
            if there is None:
                raise _changed(self.manifest, f"table {table.name} of {file.label}")
            self._copy(table, table_scan(*there, table), str(number), part)
        finally:
            self.connection.execute("detach source")

    def _read_bundles(self, table: Table, numbers: list[int]) -> Path:
        part = self.work / f"{table.name}.bundles.part"
        main = table.required  # what can't be told to be anything counts as a patient
        lines = bundle_lines([self.files[n] for n in numbers])
        scan = json_scan(lines, table, main=main, place="file_at, line_no")
        self._copy(table, scan, f"{numbers}[file_at]", part)
        self.entries_seen += self._rows(part)
        return part

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
        number_around(self.connection, numbers, header=header is not None)

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
        self._write(query, part)
        kind = table.columns[0].kind
        if kind is Kind.VISIT or (table.required and kind is Kind.PERSON):
            self._check_collisions(table, scan)

    def _merge(self, table: Table, parts: list[Path], count: TableCount) -> None:
        """One parquet file of the readable rows; the others join the quarantine.

        Of persons who withdrew neither is kept.
        """
        final = self.work / f"{table.name}.parquet"
        if not parts:
            self._write_empty(table, final)
            return
        person = person_column(table)
        of_withdrawn = f"coalesce({person} in (from withdrawn), false)"
        every = f"(from {parquet_relation(*parts)} where not {of_withdrawn})"
        withdrawn = self._one(
            f"select count(*) from {parquet_relation(*parts)} where {of_withdrawn}"
        )
        total, bad, nulled = self.connection.execute(
            "select count(*), count(reason), sum(values_nulled) filter (reason is null) "
            f"from {every}"
        ).fetchall()[0]
        rejected = self.quarantine.count(table.name)
        count.rows_withdrawn += withdrawn
        count.rows_read += total - bad
        count.rows_quarantined += bad + rejected
        count.rows_in += total + rejected + withdrawn
        count.values_nulled += int(nulled or 0)
        if bad:
            refused = (
                f"select file_no, line_no, reason, {person} as person_id "
                f"from {every} where reason is not null"
            )
            self.quarantine.add_numbered(table.name, refused)
        self._write(f"select * exclude (reason) from {every} where reason is null", final)
        for part in parts:
            part.unlink()

    def _write_empty(self, table: Table, final: Path) -> None:
        columns = ", ".join(f'null::{sql_type(c)} as "{c.name}"' for c in table.columns)
        self._write(
            "select ''::varchar as delivery_id, 0::integer as file_no, 0::bigint as line_no, "
            f"{columns}, 0::utinyint as values_nulled where false",
            final,
        )

    def _write(self, query: str, path: Path) -> None:
        target = literal(str(path))
        self.connection.execute(
            f"copy ({query}) to {target} "
            f"(format parquet, compression zstd, row_group_size {ROW_GROUP_ROWS})"
        )

    # -- reconciliation --------------------------------------------------------------------------

    def _lines_do_not_add_up(
        self,
        file: SourceFile,
        accounted: int,
        line: int | None = None,
        lone: int | None = None,
    ) -> DeliveryError:
        where = ""
        if line:
            where = f" Look at line {line}: is a quotation mark opened there and not closed?"
        if lone:
            where = f" Line {lone} has a carriage return in it, which ends a line for some."
        return DeliveryError(
            f"{file.label} has {file.lines:,} lines, but {accounted:,} are accounted for.{where} "
            f"Nothing of delivery {self.manifest.delivery_id} was taken in: mend the line or "
            "export the file again"
        )

    def _count_ignored(self, source: Format) -> None:
        """Count what no table takes: whole files, and the other resources in files that we read."""
        for name, lines in self.manifest.ignored.items():
            self._ignore(name, lines)
        used = {table.resource for table in source.tables}
        for number, seen in self.seen.items():
            file = self.manifest.files[number]
            if seen != file.lines:
                unused = self._ignore_unused(ndjson_lines(self.files[number]), used, file.label)
                if seen + unused != file.lines:
                    lone = lone_return(self.files[number])
                    raise self._lines_do_not_add_up(file, seen + unused, lone=lone)
        pairs = zip(self.files, self.manifest.files, strict=True)
        bundles = [path for path, file in pairs if file.container == "bundle"]
        if bundles:
            inside = bundle_lines(bundles)
            seen = self.entries_seen + self._ignore_unused(inside, used, "a bundle")
            entries = self._one(f"select count(*) from {inside}")
            if seen != entries:
                raise DeliveryError(
                    f"the bundles of delivery {self.manifest.delivery_id} have {entries:,} "
                    f"entries, but {seen:,} are accounted for; nothing of it was taken in. Ask "
                    "the source for one resource per line (NDJSON)"
                )

    def _ignore_unused(self, lines: str, used: set[str], label: str) -> int:
        """Count the resources of types that no table takes; how many there are."""
        unused = self.connection.execute(unused_types(lines, used)).fetchall()
        for name, count in unused:
            if name == "Bundle":
                raise DeliveryError(
                    f"{label} holds {count:,} Bundles in one another or as lines, whose resources "
                    f"are not reached; nothing of delivery {self.manifest.delivery_id} was taken "
                    "in. Ask the source for one resource per line, or one Bundle per .json file"
                )
            self._ignore(name, count)
        return sum(count for _, count in unused)

    def _ignore(self, name: str, lines: int) -> None:
        count = self.counts.setdefault(name, TableCount())
        count.rows_in += lines
        count.rows_ignored += lines

    def _require_persons(self, source: Format) -> None:
        """A full delivery without persons would delete everybody; one with nothing says nothing."""
        place = f"delivery {self.manifest.delivery_id} ({self.manifest.folder})"
        counts = [self.counts[table.name] for table in source.tables]
        if not any(count.rows_read + count.rows_withdrawn for count in counts):
            raise DeliveryError(
                f"{place}: no row could be read{self._first_quarantined()}; nothing of it was "
                "taken in. Mend that, or ask the source whether its export is whole"
            )
        for table in source.tables:
            full = self.manifest.kind == "full"
            count = self.counts[table.name]
            if full and table.required and not count.rows_read + count.rows_withdrawn:
                raise DeliveryError(
                    f"{place}: no row of {table.name} could be read"
                    f"{self._first_quarantined(table.name)}; an empty extract is refused, because "
                    "in a full delivery it would delete everybody. Ask the source for it"
                )

    def _first_quarantined(self, table: str = "") -> str:
        rows = self.connection.execute(
            f"select line_no, file, reason from {parquet_relation(self.quarantine_file)} "
            "where source_table = $1 or $1 = '' order by file, line_no limit 1",
            [table],
        ).fetchall()
        return "".join(f" (the first: line {line} of {file}, {why})" for line, file, why in rows)

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


def _values(column: pa.ChunkedArray) -> Iterator[Any]:
    for chunk in column.chunks:
        for start in range(0, len(chunk), FETCHED_ROWS):
            yield from chunk.slice(start, FETCHED_ROWS).to_pylist()


def _main_table(source: Format, file: SourceFile) -> str:
    """The table that most resources of the file belong to: malformed lines are counted there."""
    named = {table.name: file.resource_types.get(table.resource, 0) for table in source.tables}
    return max((name for name in named if name in file.tables), key=lambda name: named[name])


def _commit(
    manifest: Manifest, work: Path, final: Path, paths: SitePaths, progress: Progress
) -> None:
    """Quarantine first, then the rename that makes the delivery exist, with nobody building."""
    paths.quarantine.mkdir(parents=True, exist_ok=True)
    paths.raw.mkdir(parents=True, exist_ok=True)
    for path in work.iterdir():
        sync_folder(path)
    with hold_warehouse(paths, progress=progress):
        (work / QUARANTINE).replace(paths.quarantine / f"{manifest.delivery_id}.parquet")
        os.rename(work, final)
        sync_folder(paths.raw)
