"""One incremental build: dbt in the small home of the changed persons, and what is about everybody.

See `pumasi.incremental`. dbt runs twice: on the small home, and in the warehouse for the models
that are about all persons together, such as counts.
"""

from collections.abc import Callable, Collection
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
    Node,
    inputs_of,
    merge,
    remove_delta,
    split,
    write_delta,
)
from pumasi.warehouse import hold_warehouse

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
        nodes = Project(manifest).graph(columns_of(connection))
    parts = split(nodes, reach_moved=moved)
    about_everybody = ["--exclude", *sorted(parts.not_in_delta)] if parts.not_in_delta else []
    run_dbt(config, delta.home, paths.dbt_target / "delta", [*BUILD, *about_everybody])
    with hold_warehouse(paths, progress=progress) as connection:
        _merge(connection, delta, parts.replaced)
    progress(f"{len(parts.anew)} tables are about everybody: building these")
    anew = ["--select", *(node.name for node in parts.anew)]
    run_dbt(config, paths.root.parent.parent, paths.dbt_target / "run", [*BUILD, *anew])
    delta.remove()
    return delta.count


def _merge(connection: duckdb.DuckDBPyConnection, delta: Delta, replaced: Collection[Node]) -> None:
    name = str(connection.execute("select current_database()").fetchall()[0][0])
    file = literal(str(delta.paths.warehouse))
    connection.execute(f"attach {file} as delta (read_only)")
    merge(connection, name, "delta", delta.persons, replaced)


def columns_of(connection: duckdb.DuckDBPyConnection) -> dict[str, frozenset[str]]:
    """Columns of every table and view of the warehouse, by its name; dbt gives no name twice."""
    rows = connection.execute(
        "select table_name, list(column_name) from duckdb_columns() "
        "where database_name = current_database() group by all"
    ).fetchall()
    return {str(name): frozenset(columns) for name, columns in rows}
