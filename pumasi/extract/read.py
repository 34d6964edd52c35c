"""Read: the files of a delivery become raw parquet, typed and pseudonymised, and a quarantine.

Everything is written below `reading/` and becomes a folder of `raw/` by one rename at the end,
while the warehouse is held: a delivery is read whole or not at all, never half seen by a build.
Lines in are rows read plus rows quarantined plus rows of kinds that we do not use, or the delivery
is refused.
"""

import os
import shutil
from collections.abc import Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import duckdb

from pumasi.atomic import sync_folder
from pumasi.config import SiteConfig, SitePaths
from pumasi.errors import DeliveryError
from pumasi.extract.about import rows_with_persons
from pumasi.extract.accounts import TableCount, write_delivery, write_read_counts
from pumasi.extract.contract import Format, Table, person_column, sql_type
from pumasi.extract.discover import DeliveryFolder
from pumasi.extract.encoding import UTF_8, write_utf_8
from pumasi.extract.files import hash_of, lone_return
from pumasi.extract.formats import FORMATS
from pumasi.extract.manifest import Manifest, SourceFile
from pumasi.extract.part import Part, PartReader, changed, lines_do_not_add_up, write_parquet
from pumasi.extract.pseudonym import load_or_create_key, register
from pumasi.extract.quarantine import Quarantine, make_quarantine
from pumasi.extract.scan import bundle_lines, ndjson_lines, parquet_relation, unused_types
from pumasi.extract.tombstones import withdrawn_persons
from pumasi.extract.workplace import MEMORY_LIMIT, Progress, alone, connection, no_row_values
from pumasi.warehouse import hold_warehouse

# Each holds row groups of its own in memory; a machine of the plan has two cores.
FILES_AT_ONCE = 2
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
                    config, manifest, work, paths.raw, opened, key, local, withdrawn, progress
                ).run()
                if _times(local) != before:
                    raise changed(manifest, "a file")
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
            raise changed(manifest, each.label)
        found.append(same.pop(0))
    return found


def _times(files: Sequence[Path]) -> list[tuple[int, int]]:
    stats = [path.stat() for path in files]
    return [(each.st_size, each.st_mtime_ns) for each in stats]


@dataclass
class _Reading:
    """One delivery being read: the tables in turn, each from all of its files."""

    config: SiteConfig
    manifest: Manifest
    work: Path
    raw: Path
    connection: duckdb.DuckDBPyConnection
    key: bytes
    files: list[Path]
    withdrawn: frozenset[int]
    progress: Progress
    counts: dict[str, TableCount] = field(default_factory=dict)
    cursors: list[duckdb.DuckDBPyConnection] = field(default_factory=list)
    database: Lock = field(default_factory=Lock)
    originals: dict[int, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        make_quarantine(self.connection)
        self.quarantine = self._quarantine(self.connection)
        self.connection.execute(
            "create table withdrawn as select unnest($1::bigint[]) as id",
            [sorted(self.withdrawn)],
        )

    def run(self) -> ReadReport:
        source = FORMATS[self.manifest.format]
        self.files = [self._in_utf_8(n, file) for n, file in enumerate(self.manifest.files)]
        parts = self._read_tables(source)
        self._count_ignored(source, parts)
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

    def _quarantine(self, connection: duckdb.DuckDBPyConnection) -> Quarantine:
        return Quarantine(
            connection,
            self.key,
            hashes_of_nobody=not self.withdrawn,
            originals=self.originals,
        )

    # -- tables ----------------------------------------------------------------------------------

    def _read_tables(self, source: Format) -> list[Part]:
        """Read the files, some at a time, and merge what they gave; the largest table first.

        What is about records of other tables comes after these. Numbering the rows of a file keeps
        DuckDB to one core; hence several files at a time.
        """
        self.counts = {table.name: TableCount() for table in source.tables}
        every: list[Part] = []
        with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
            tables = sorted(
                source.tables,
                key=lambda table: (bool(table.about), -sum(map(self._bytes, self._of(table)))),
            )
            reading = {table.name: self._started(pool, table) for table in tables}
            try:
                for table in tables:
                    self.progress(f"reading {table.name}")
                    parts = [future.result() for future in reading[table.name]]
                    self._merge(table, [part.path for part in parts])
                    every += parts
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for cursor in self.cursors:
                    with suppress(duckdb.ConnectionException):  # it was done meanwhile
                        cursor.interrupt()
                raise
        return every

    def _of(self, table: Table) -> list[int]:
        """Numbers of the files that hold the table."""
        return [n for n, file in enumerate(self.manifest.files) if table.name in file.tables]

    def _bytes(self, number: int) -> int:
        return self.manifest.files[number].bytes

    def _started(self, pool: Executor, table: Table) -> list["Future[Part]"]:
        """The parts of the table, being read: one of each file, one of all Bundles."""
        bundles = [n for n in self._of(table) if self.manifest.files[n].container == "bundle"]
        others = [[n] for n in self._of(table) if n not in bundles]
        together = [bundles, *others] if bundles else others
        return [pool.submit(self._read_part, table, numbers) for numbers in together]

    def _read_part(self, table: Table, numbers: Sequence[int]) -> Part:
        with self.connection.cursor() as cursor:
            self.cursors.append(cursor)
            register(cursor, self.key)
            reader = PartReader(
                self.config,
                self.manifest,
                self.files,
                self.work,
                cursor,
                self._quarantine(cursor),
                self.database,
            )
            if self.manifest.files[numbers[0]].container == "bundle":
                return reader.read_bundles(table, numbers)
            return reader.read_file(table, numbers[0])

    def _merge(self, table: Table, parts: list[Path]) -> None:
        """One parquet file of the readable rows; the others join the quarantine.

        Of persons who withdrew neither is kept.
        """
        final = self.work / f"{table.name}.parquet"
        if not parts:
            self._write_empty(table, final)
            return
        if table.about:
            parts = [self._with_persons(table, parts)]
        count = self.counts[table.name]
        person = person_column(table)
        of_withdrawn = f"coalesce({person} in (from withdrawn), false)"
        every = f"(from {parquet_relation(*parts)} where not {of_withdrawn})"
        withdrawn = self._one(
            f"select count(*) from {parquet_relation(*parts)} where {of_withdrawn}"
        )
        total, bad, nulled, misread = self.connection.execute(
            "select count(*), count(reason), sum(values_nulled) filter (reason is null), "
            f"count(*) filter (reason is null and is_misread) from {every}"
        ).fetchall()[0]
        rejected = self.quarantine.count(table.name)
        count.rows_withdrawn += withdrawn
        count.rows_read += total - bad
        count.rows_quarantined += bad + rejected
        count.rows_in += total + rejected + withdrawn
        count.values_nulled += int(nulled or 0)
        count.rows_misread += misread
        if bad:
            refused = (
                f"select file_no, line_no, reason, {person} as person_id "
                f"from {every} where reason is not null"
            )
            self.quarantine.add_numbered(table.name, refused)
        kept = f"select * exclude (reason, is_misread) from {every} where reason is null"
        write_parquet(self.connection, kept, final)
        for part in parts:
            part.unlink()

    def _with_persons(self, table: Table, parts: list[Path]) -> Path:
        """One part in the place of all, whose rows have the person of their record."""
        found = self.work / f"{table.name}.found.parquet"
        query = rows_with_persons(table, parquet_relation(*parts), [self.work, *self._before()])
        write_parquet(self.connection, query, found)
        for part in parts:
            part.unlink()
        return found

    def _before(self) -> list[Path]:
        """Folders of the deliveries that were read before."""
        return sorted(file.parent for file in self.raw.glob("*/delivery.parquet"))

    def _write_empty(self, table: Table, final: Path) -> None:
        columns = ", ".join(f'null::{sql_type(c)} as "{c.name}"' for c in table.columns)
        write_parquet(
            self.connection,
            "select ''::varchar as delivery_id, 0::integer as file_no, 0::bigint as line_no, "
            f"{columns}, 0::utinyint as values_nulled where false",
            final,
        )

    # -- reconciliation --------------------------------------------------------------------------

    def _count_ignored(self, source: Format, parts: Sequence[Part]) -> None:
        """Count what no table takes: whole files, and the other resources in files that we read."""
        for name, lines in self.manifest.ignored.items():
            self._ignore(name, lines)
        used = {table.resource for table in source.tables}
        for number, file in enumerate(self.manifest.files):
            seen = sum(part.seen for part in parts if part.number == number)
            if file.container == "ndjson" and file.tables and seen != file.lines:
                unused = self._ignore_unused(ndjson_lines(self.files[number]), used, file.label)
                if seen + unused != file.lines:
                    lone = lone_return(self.files[number])
                    raise lines_do_not_add_up(self.manifest, file, seen + unused, lone=lone)
        pairs = zip(self.files, self.manifest.files, strict=True)
        bundles = [path for path, file in pairs if file.container == "bundle"]
        if bundles:
            inside = bundle_lines(bundles)
            seen = sum(part.seen for part in parts if part.number is None)
            seen += self._ignore_unused(inside, used, "a bundle")
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

    def _one(self, query: str) -> int:
        return self.connection.execute(query).fetchall()[0][0]  # type: ignore[no-any-return]


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
