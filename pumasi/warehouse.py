"""The warehouse file and its lock: DuckDB lets one process write, and that process alone in.

Whoever changes what a build reads (a delivery that becomes raw) or what it made (a candidate) holds
the file for that moment, so that neither ever sees the other half done.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import duckdb

from pumasi.config import SitePaths
from pumasi.config.workspace import WAREHOUSE_MEMORY
from pumasi.errors import ReleaseError

POLL_SECONDS = 0.5


def memory_limit() -> str:
    """Return how much memory DuckDB may take on the warehouse before it spills to the disk.

    PUMASI_MEMORY_LIMIT, as in profiles.yml; DuckDB's own default is most of the machine.
    """
    return os.environ.get("PUMASI_MEMORY_LIMIT", WAREHOUSE_MEMORY)


@contextmanager
def hold_warehouse(
    paths: SitePaths,
    wait_seconds: float = 1800,
    progress: Callable[[str], None] = lambda message: None,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-write connection to the site's warehouse, waiting for another process to end.

    Raises:
        ReleaseError: the other process still holds the file after `wait_seconds`.
    """
    paths.root.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait_seconds
    told = False
    while True:
        try:
            connection = duckdb.connect(str(paths.warehouse))
            break
        except duckdb.IOException as error:
            if "lock" not in str(error).lower():
                raise ReleaseError(
                    f"{paths.warehouse.name} can't be opened: is it a DuckDB file of this version, "
                    "and is there space on the disk? It can be deleted: the next build remakes it"
                ) from None
            if time.monotonic() > deadline:
                raise ReleaseError(
                    f"another process has held {paths.warehouse.name} for {wait_seconds:.0f} s; "
                    "end it or wait for it, then run again"
                ) from None
            if not told:
                progress("another process holds the warehouse; waiting for it")
                told = True
            time.sleep(POLL_SECONDS)
    try:
        connection.execute("set memory_limit = $1", [memory_limit()])
        yield connection
    finally:
        connection.close()


def row_counts(
    connection: duckdb.DuckDBPyConnection, counted_as: Mapping[str, str]
) -> dict[str, int]:
    """Rows of every table and view of the warehouse, by its name; dbt gives no name twice.

    `counted_as`: of a view that would have to be joined to be counted, the relation that has as
    many rows. The others cost little, since DuckDB computes no column that nobody asks for.

    Raises:
        ReleaseError: a view can't be counted.
    """
    relations = connection.execute(
        "select schema_name, table_name from duckdb_tables() "
        "where database_name = current_database() union all "
        "select schema_name, view_name from duckdb_views() "
        "where database_name = current_database() and not internal order by all"
    ).fetchall()
    counts = {
        name: _rows(connection, schema, name)
        for schema, name in relations
        if name not in counted_as
    }
    return counts | {name: counts[counted_as[name]] for _, name in relations if name in counted_as}


def _rows(connection: duckdb.DuckDBPyConnection, schema: str, name: str) -> int:
    try:
        found = connection.execute(f'select count(*) from "{schema}"."{name}"').fetchall()
    except duckdb.Error as error:
        # Not DuckDB's own words: they may quote a value of a row.
        raise ReleaseError(
            f"{schema}.{name} can't be counted ({type(error).__name__}): run the build again, so "
            "that what it reads is there"
        ) from None
    return int(found[0][0])
