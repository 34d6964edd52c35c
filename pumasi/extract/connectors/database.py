"""The database connector: tables of a PostgreSQL schema become parquet files of the site's format.

ADBC hands batches of Arrow over while the server sends them, so memory is bounded by a batch. All
tables are read in one read-only transaction of isolation *repeatable read*: what is committed
meanwhile belongs to the next delivery. Only columns that a contract of the format names are
selected. ADBC's and libpq's own messages may quote the address or a value: none is passed on.
"""

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import adbc_driver_postgresql.dbapi as postgres
import pyarrow as pa
import pyarrow.parquet as pq
from adbc_driver_postgresql.dbapi import Error as DatabaseError

from pumasi.config import DatabaseConfig, SiteConfig, SitePaths
from pumasi.errors import ConfigError, DeliveryError
from pumasi.extract.columns import Header, check_columns, check_zones
from pumasi.extract.connectors.landing import (
    Landed,
    check_day,
    check_persons,
    commit,
    fetching,
    is_there,
    last_landed,
    vocabulary_folder,
)
from pumasi.extract.connectors.secret import secret
from pumasi.extract.contract import Table
from pumasi.extract.formats import FORMATS
from pumasi.extract.vocabulary import TABLES as VOCABULARY_TABLES
from pumasi.extract.workplace import Progress

CONNECT_SECONDS = 10
# Rows between two words of progress.
TOLD_ROWS = 1_000_000
# What Arrow and parquet hold as it is; everything else comes as text, and is typed when it is read.
AS_THEY_ARE = frozenset(
    [
        "smallint", "integer", "bigint", "real", "double precision", "boolean", "text",
        "character varying", "date", "timestamp without time zone",
    ]
)  # fmt: skip
INSTANT = "timestamp with time zone"
TIMES = ("date", "timestamp without time zone", INSTANT)
NUMBERS = ("smallint", "integer", "bigint")
MINUTES_A_DAY = 1440
SQLSTATE = re.compile(r"SQLSTATE: ([0-9A-Z]{5})")
# What breaks off a table that is being sent comes without its class. In the order in which they are
# looked for; the last is any other error of the server.
WITHOUT_STATE = {
    "canceling statement due to statement timeout": "57014",
    "canceling statement due to conflict with recovery": "40001",
    "terminating connection": "57P01",
    "invalid byte sequence for encoding": "22021",
    "has no equivalent in encoding": "22021",
    "server closed the connection": "",
    "]: ERROR:": "XX000",
}
CATALOGUE = """
select
    c.relname, a.attname, format_type(a.atttypid, null),
    has_table_privilege(c.oid, 'select') or has_column_privilege(c.oid, a.attnum, 'select')
from pg_catalog.pg_class as c
inner join pg_catalog.pg_attribute as a on c.oid = a.attrelid
where
    c.relnamespace = (select oid from pg_catalog.pg_namespace where nspname = {schema})
    and c.relkind in ('r', 'p', 'v', 'm', 'f') and a.attnum > 0 and not a.attisdropped
order by c.relname, a.attnum
"""


@dataclass(frozen=True)
class SourceTable:
    """A table of the format as it lies in the schema: its name there, its columns with types."""

    table: Table
    name: str
    columns: dict[str, str]
    watermark: str | None = None
    watermark_type: str = ""


@dataclass(frozen=True)
class Asked:
    """What a delivery would hold: its day, its kind, what it continues, and a condition per table.

    `position` is the highest watermark per table now.
    """

    day: date
    kind: str
    after: Landed | None
    tables: list[SourceTable]
    conditions: dict[str, str]
    position: dict[str, str]

    @property
    def is_new(self) -> bool:
        """Whether the source has a row above the last watermark, or none is known."""
        before = self.after.position if self.after else None
        return self.kind == "full" or self.position != before or not self.position


def fetch(config: SiteConfig, paths: SitePaths, *, full: bool, progress: Progress) -> Landed | None:
    """Land what the database has now; None if that is nothing new.

    Raises:
        ConfigError: the password can't be had, or the section names what the format doesn't have.
        DeliveryError: the database can't be reached or read; nothing was landed.
    """
    with fetching(config, paths) as work, _snapshot(config) as source:
        asked = source.asked(last_landed(config, paths), full=full)
        if _is_known(config, paths, asked):
            return None
        if is_there(paths, asked.day):
            progress(
                f"a delivery as of {asked.day} is there; what changed since comes with the next "
                "day's"
            )
            return None
        check_day(config, paths, asked.day)
        shutil.rmtree(work)  # what a killed process left belongs to another snapshot
        work.mkdir(mode=0o700)
        rows = {}
        for each in asked.tables:
            target = work / f"{each.table.name}.parquet"
            rows[each.table.name] = source.copy(each, asked.conditions, target, progress)
        check_persons(config, asked.kind, rows)
        if config.vocabulary.source == "delivery":
            source.copy_vocabulary(vocabulary_folder(paths), progress)
        landed = Landed(
            name=asked.day.isoformat(),
            connector=config.source.connector,
            kind=asked.kind,
            after=asked.after.name if asked.after and asked.kind == "incremental" else None,
            position=asked.position,
            rows=rows,
        )
        commit(config, paths, landed, asked.day, source.covered(asked.day))
    return landed


def preview(
    config: SiteConfig, paths: SitePaths, *, full: bool
) -> tuple[str, dict[str, int | None]]:
    """Kind and rows per table of the delivery that `fetch` would land; nothing is written."""
    with _snapshot(config) as source:
        asked = source.asked(last_landed(config, paths), full=full)
        if _is_known(config, paths, asked):
            return asked.kind, {}
        return asked.kind, {
            each.table.name: source.number(
                f"select count(*) from {source.relation(each)}{asked.conditions[each.table.name]}"
            )
            for each in asked.tables
        }


def _is_known(config: SiteConfig, paths: SitePaths, asked: Asked) -> bool:
    """Whether there is nothing to fetch; a day that the configuration states stays what it is."""
    stated = config.source.as_of is not None and is_there(paths, asked.day)
    return stated or not asked.is_new


def covered_until(config: SiteConfig, as_of: date, lag_days: int) -> date:
    """The last day that a delivery of that day covers wholly."""
    return config.source.extracted_through or as_of - timedelta(days=lag_days)


@contextmanager
def _snapshot(config: SiteConfig) -> Iterator["_Snapshot"]:
    """The database as it is at one moment, for as long as this is open."""
    section = config.source.database
    assert section is not None  # noqa: S101 - the configuration was checked
    if "parquet" not in FORMATS[config.format].containers:
        raise ConfigError(
            f"site {config.id}: what a database gives is parquet, which the format {config.format} "
            "doesn't read; export its tables into a folder"
        )
    place = f"site {config.id}: {_host(config.source.url)}"
    try:
        connection = postgres.connect(_address(config, section), autocommit=True)
    except DatabaseError as error:
        raise DeliveryError(f"{place}: {_refusal(config, error)}. Nothing was fetched") from None
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("begin isolation level repeatable read, read only")
            # The same rows in the same order give the same bytes, and so the same delivery.
            cursor.execute("set local synchronize_seqscans = off")
            cursor.execute("set local max_parallel_workers_per_gather = 0")
            # A database in EUC-KR would send that, and so would a PGCLIENTENCODING.
            cursor.execute("set local client_encoding = 'UTF8'")
            if section.timezone:
                cursor.execute(f"set local time zone {_literal(section.timezone)}")
            yield _Snapshot(config, section, cursor)
            cursor.execute("rollback")
    except DatabaseError as error:
        raise DeliveryError(f"{place}: {_failure(error)}. Nothing was fetched") from None


class _Snapshot:
    """One transaction, and the questions that are put to it."""

    def __init__(self, config: SiteConfig, section: DatabaseConfig, cursor: Any) -> None:
        self.config = config
        self.section = section
        self.cursor = cursor
        self.place = f"site {config.id}: schema {section.schema_name}"
        self.file = f"[source.database] of network/{config.id}.toml"

    def number(self, query: str) -> int:
        """The one number that the query gives."""
        return int(self._rows(query)[0][0])

    def relation(self, source: SourceTable) -> str:
        """SQL name of the table."""
        return f"{_name(self.section.schema_name)}.{_name(source.name)}"

    def covered(self, day: date) -> date:
        """The last day that the snapshot covers wholly."""
        return covered_until(self.config, day, self.section.lag_days)

    def asked(self, last: Landed | None, *, full: bool) -> Asked:
        """What to ask for, given the last delivery."""
        today = self._rows("select current_date")[0][0]
        tables = self._tables(FORMATS[self.config.format].tables)
        incremental = self.config.source.kind == "incremental" and last is not None and not full
        position = {
            each.table.name: highest
            for each in tables
            if each.watermark and (highest := self._highest(each)) is not None
        }
        before = last.position if last and incremental else {}
        return Asked(
            day=self.config.source.as_of or today,
            kind="incremental" if incremental else "full",
            after=last,
            tables=tables,
            conditions={each.table.name: self._above(each, before) for each in tables},
            position={**before, **position},
        )

    def copy(
        self, source: SourceTable, conditions: dict[str, str], target: Path, progress: Progress
    ) -> int:
        """Rows of the table that were written to `target`, batch by batch."""
        columns = ", ".join(self._selected(source, name) for name in source.columns)
        self.cursor.execute(
            f"select {columns} from {self.relation(source)}{conditions[source.table.name]}"
        )
        reader = self.cursor.fetch_record_batch()
        rows = told = 0
        with pq.ParquetWriter(target, reader.schema, compression="zstd") as writer:
            for batch in self._batches(reader, source.table.name):
                writer.write_batch(batch)
                rows += batch.num_rows
                if rows - told >= TOLD_ROWS:
                    told = rows
                    progress(f"{source.table.name}: {rows:,} rows so far")
        progress(f"{source.table.name}: {rows:,} rows")
        return rows

    def _batches(self, reader: pa.RecordBatchReader, table: str) -> Iterator[pa.RecordBatch]:
        """The batches as they come; Arrow's errors of a stream that broke are the source's."""
        try:
            yield from reader
        except (OSError, pa.ArrowException) as error:
            raise DeliveryError(
                f"site {self.config.id}: {_host(self.config.source.url)}: {_failure(error)}. It "
                f"happened within the table {table}; nothing was fetched"
            ) from None

    def copy_vocabulary(self, folder: Path, progress: Progress) -> None:
        """The vocabulary tables as parquet in `folder`, unless its version is there already."""
        found = self._tables(VOCABULARY_TABLES, optional=True)
        work = folder.with_name("vocabulary-work")
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(mode=0o700)
        everything = {each.table.name: "" for each in found}
        versions = [each for each in found if each.table.name == "vocabulary"]
        for each in versions:
            self.copy(each, everything, work / "vocabulary.parquet", lambda message: None)
        file = folder / "vocabulary.parquet"
        if (
            versions
            and file.exists()
            and pq.read_table(file).equals(pq.read_table(work / "vocabulary.parquet"))
        ):
            shutil.rmtree(work)
            return
        for each in found:
            self.copy(each, everything, work / f"{each.table.name}.parquet", progress)
        shutil.rmtree(folder, ignore_errors=True)
        work.rename(folder)

    def _tables(self, wanted: Sequence[Table], *, optional: bool = False) -> list[SourceTable]:
        """Those of the tables that the schema has, held against their contracts."""
        schema = self._catalogue()
        named = {} if optional else self._named(wanted)
        found = []
        for table in wanted:
            name = named.get(table.name, table.name)
            columns = schema.get(name.lower())
            alike = sorted({row[0] for row in columns or ()})
            if len(alike) > 1:
                # A name that is configured says which, by its case.
                columns = [row for row in columns or () if table.name in named and row[0] == name]
                if not columns:
                    raise DeliveryError(
                        f"{self.place} has the tables {' and '.join(alike)}; which of them is "
                        f"{table.name} is not guessed. Say it in `names` of {self.file}, or rename "
                        "one. Nothing was fetched"
                    )
            if columns is not None:
                found.append(self._source_table(table, columns, optional))
            elif table.name in named or (table.required and not optional):
                raise DeliveryError(
                    f"{self.place} has no table {name}, or its user may not see it; say how it is "
                    f"called there in `names` of {self.file}, or grant usage and select. Nothing "
                    "was fetched"
                )
        return found

    def _named(self, wanted: Sequence[Table]) -> dict[str, str]:
        known = [table.name for table in wanted]
        section = self.section
        for each in (*section.names, *section.watermarks, *section.whole):
            if each not in known:
                raise ConfigError(
                    f"site {self.config.id}: {self.file} names the table {each}, which "
                    f"{self.config.format} doesn't have; it has {', '.join(known)}"
                )
        return dict(section.names)

    def _source_table(
        self, table: Table, there: list[tuple[str, str, str, bool]], optional: bool
    ) -> SourceTable:
        name = there[0][0]
        label = f"{self.section.schema_name}.{name}"
        types = {column: kind for _, column, kind, _ in there}
        check_columns(table, list(types), label)
        names = {source for column in table.columns for source in column.source_names()}
        columns = {column: kind for column, kind in types.items() if column.lower() in names}
        watermark = None if optional else self._watermark(table, label, types)
        used = [*columns, *([watermark] if watermark else [])]
        closed = sorted(column for _, column, _, open_ in there if column in used and not open_)
        if closed:
            raise DeliveryError(
                f"{self.place}: its user may not read column `{closed[0]}` of {label}; grant "
                "select on it. Nothing was fetched"
            )
        if self.section.timezone is None and not optional:
            zoned = tuple(c.lower() for c, kind in columns.items() if kind == INSTANT)
            try:
                check_zones(table, Header(tuple(columns), zoned=zoned), label)
            except DeliveryError as error:
                raise DeliveryError(
                    f"{error}; or say `timezone`, that of the hospital, in {self.file}"
                ) from None
        return SourceTable(table, name, columns, watermark, types.get(watermark or "", ""))

    def _watermark(self, table: Table, label: str, types: dict[str, str]) -> str | None:
        section = self.section
        wanted = section.watermarks.get(table.name, section.watermark)
        if wanted is None or table.name in section.whole:
            return None
        found = next((column for column in types if column.lower() == wanted.lower()), None)
        if found is None or types[found] not in (*TIMES, *NUMBERS):
            why = "has no column" if found is None else "has no time and no whole number in"
            raise DeliveryError(
                f"{self.place}: {label} {why} `{wanted}`, its watermark; name another in "
                f"`watermarks` of {self.file}, or put {table.name} into `whole`, which fetches it "
                "wholly each time. Nothing was fetched"
            )
        return found

    def _catalogue(self) -> dict[str, list[tuple[str, str, str, bool]]]:
        """Name, column, type, and whether it may be read, per table in lower case."""
        schema = self.section.schema_name
        rows = self._rows(CATALOGUE.format(schema=_literal(schema)))
        if not rows:
            raise DeliveryError(
                f"{self.place}: there is none, it has no table, or its user may not see it; is "
                f"`schema_name` right in {self.file}? Nothing was fetched"
            )
        tables: dict[str, list[tuple[str, str, str, bool]]] = {}
        for row in rows:
            tables.setdefault(row[0].lower(), []).append(row)
        return tables

    def _selected(self, source: SourceTable, column: str) -> str:
        kind = source.columns[column]
        name = _name(column)
        if kind in AS_THEY_ARE:
            return name
        if kind == INSTANT and self.section.timezone:
            return f"({name} at time zone {_literal(self.section.timezone)}) as {name}"
        return f"{name}::text as {name}"

    def _highest(self, source: SourceTable) -> str | None:
        """The highest watermark as text, None in an empty table.

        Later deliveries ask for what lies above it. A mark of 9999, or an infinite one, would end
        them: what lies behind tomorrow is left aside, and its rows come each time. A day, because
        a local time may be ahead of the clock's.
        """
        column = _name(str(source.watermark))
        query = f"select max({column})::text from {self.relation(source)}"
        if source.watermark_type in TIMES:
            query += f" where {column} <= now() + interval '1 day'"
        highest = self._rows(query)[0][0]
        return None if highest is None else str(highest)

    def _above(self, source: SourceTable, before: dict[str, str]) -> str:
        """SQL: the condition for the rows that are new, empty if all are asked for."""
        last = before.get(source.table.name)
        if last is None or source.watermark is None:
            return ""
        since = f"{_literal(last)}::{source.watermark_type}"
        if source.watermark_type in TIMES:
            minutes = self.section.overlap_minutes
            days = -(-minutes // MINUTES_A_DAY)
            since += (
                f" - {days}"
                if source.watermark_type == "date"
                else (f" - interval '{minutes} minutes'")
            )
        # A row without a watermark would never come: it comes each time.
        column = _name(source.watermark)
        return f" where {column} > {since} or {column} is null"

    def _rows(self, query: str) -> list[Any]:
        self.cursor.execute(query)
        return list(self.cursor.fetchall())


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    # Standard strings since PostgreSQL 9.1: only the quotation mark has a meaning.
    return "'" + text.replace("'", "''") + "'"


def _address(config: SiteConfig, section: DatabaseConfig) -> str:
    """The address with its password, for ADBC and nobody else."""
    place = f"site {config.id}: [source.database]"
    password = secret(place, section.password_env, section.password_file)
    url = config.source.url
    if "connect_timeout" not in parse_qs(urlsplit(url).query):
        url += ("&" if "?" in url else "?") + f"connect_timeout={CONNECT_SECONDS}"
    if password is not None:
        url += f"&password={quote(password, safe='')}"
    return url


def _host(url: str) -> str:
    address = urlsplit(url)
    return f"the database {address.path.lstrip('/')} on {address.netloc.rpartition('@')[2]}"


def _refusal(config: SiteConfig, error: DatabaseError) -> str:
    """Why there is no connection, in our own words: libpq's may hold the address."""
    section = f"[source.database] of network/{config.id}.toml"
    known = {
        "password authentication failed": f"user or password are wrong; see {section}",
        "no password supplied": f"it wants a password; name password_env or password_file in "
        f"{section}",
        "pg_hba.conf": "it lets this user in from this machine by no rule; ask its administrator",
        "does not exist": f"there is no such database or user; mend source.url in "
        f"network/{config.id}.toml",
        "Connection refused": "nobody answers there; does it run, and are host and port right?",
        "could not translate host name": "there is no such host; is the name right?",
        "timeout expired": f"no answer in {CONNECT_SECONDS} seconds; is it behind a firewall?",
        "too many connections": "it has no connection left; run again later",
        "starting up": "it is starting; run again in a minute",
        "shutting down": "it is shutting down; run again when it is back",
        "SSL": "no encrypted connection comes about; see sslmode and sslrootcert in source.url",
        "certificate": "its certificate isn't accepted; see sslrootcert in source.url",
    }
    said = str(error)
    return next(
        (words for sign, words in known.items() if sign in said),
        "it can't be reached; is source.url right?",
    )


def _failure(error: Exception) -> str:
    """Why a query failed: PostgreSQL's class of error (its manual, appendix A), not its words."""
    state = getattr(error, "sqlstate", None) or "".join(SQLSTATE.findall(str(error))[-1:])
    said = str(error)
    if not state:
        state = next((code for sign, code in WITHOUT_STATE.items() if sign in said), "")
    known = {
        "42501": "its user may not read a table or the schema; grant usage and select",
        "57014": "the query was cancelled; raise its statement_timeout, then run again",
        "57P01": "it was shut down; run again when it is back",
        "40001": "the snapshot collided with the standby's recovery; run again",
        "22023": "it doesn't know the `timezone` of the configuration",
        "25P03": "it ended the transaction for idleness; run again",
        "22021": "it has text that is none in its encoding, as a database of SQL_ASCII can have; "
        "ask its administrator to mend it, or for a copy in UTF-8",
        "XX000": "it ended the query with an error of its own; does a view, or a function in one, "
        "fail for a row? Ask its administrator, whose log has the words",
    }
    if state in known:
        return known[state]
    why = f"SQLSTATE {state}" if state else "the connection broke"
    return f"{why}; run again, and ask its administrator if it stays"
