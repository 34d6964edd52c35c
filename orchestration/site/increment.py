"""One incremental build: dbt in the small home of the changed persons, and what is about everybody.

See `pumasi.incremental`. dbt runs twice: on the small home, and in the warehouse for the models
that are about all persons together, such as counts.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from orchestration.site.dbt_command import BUILD, run_dbt
from orchestration.site.project import Project
from pumasi.config import SiteConfig, SitePaths
from pumasi.extract.scan import literal
from pumasi.incremental import (
    Delivery,
    Delta,
    Inputs,
    copy_tables,
    inputs_of,
    merge,
    remove_delta,
    split,
    write_delta,
)
from pumasi.warehouse import hold_warehouse

DELTA = "delta"
Progress = Callable[[str], None]


def increment(
    config: SiteConfig,
    paths: SitePaths,
    manifest: Path,
    before: Inputs,
    new: Collection[Delivery],
    progress: Progress,
) -> int | None:
    """Bring the warehouse up to date by what `new` changed; how many persons that were.

    None if all is to be built instead.
    """
    delta = write_delta(paths, new)
    if delta is None:
        progress("most persons changed: building all of them")
        remove_delta(paths)
        return None
    progress(f"{delta.count:,} persons changed: building these")
    moved = inputs_of(paths, before.transformation).reaches != before.reaches
    with hold_warehouse(paths, progress=progress) as connection:
        parts = split(Project(manifest).graph(columns_of(connection)), reach_moved=moved)
        with _attached(connection, delta, "") as name:
            copy_tables(connection, name, DELTA, parts.copied)
    # A target folder of its own: what dbt parsed for the one home names the files of that home.
    left_out = sorted(parts.not_in_delta | {node.name for node in parts.copied})
    run_dbt(config, delta.home, paths.dbt_target / "delta", [*BUILD, "--exclude", *left_out])
    with (
        hold_warehouse(paths, progress=progress) as connection,
        _attached(connection, delta, "(read_only)") as name,
    ):
        merge(connection, name, DELTA, delta.persons, parts.replaced)
    progress(f"{len(parts.anew)} tables are about everybody: building these")
    anew = ["--select", *(node.name for node in parts.anew)]
    run_dbt(config, paths.root.parent.parent, paths.dbt_target / "run", [*BUILD, *anew])
    delta.remove()
    return delta.count


@contextmanager
def _attached(connection: duckdb.DuckDBPyConnection, delta: Delta, options: str) -> Iterator[str]:
    """The small warehouse attached as `delta`; gives the name of the other one."""
    name = str(connection.execute("select current_database()").fetchall()[0][0])
    connection.execute(f"attach {literal(str(delta.paths.warehouse))} as {DELTA} {options}")
    try:
        yield name
    finally:
        connection.execute(f"detach {DELTA}")


def columns_of(connection: duckdb.DuckDBPyConnection) -> dict[str, frozenset[str]]:
    """Columns of every table and view of the warehouse, by its name; dbt gives no name twice."""
    rows = connection.execute(
        "select table_name, list(column_name) from duckdb_columns() "
        "where database_name = current_database() group by all"
    ).fetchall()
    return {str(name): frozenset(columns) for name, columns in rows}
