"""The candidate: the tables of one build as parquet, to be checked before they are sealed.

It holds the OMOP tables (the vocabulary is not the hospital's and stays where it is), the marts
without their steps (`<mart>__int_<step>`), and the accounting: deliveries, fates of rows as counts,
lost references, read counts. Rows are sorted by person, then by the first column: what is read by
person lies together and packs well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import duckdb

from pumasi.config.paths import SitePaths
from pumasi.errors import ReleaseError
from pumasi.omop import cdm_tables
from pumasi.release.files import empty_folder, publish_folder, sha256_of_file, write_json

ACCOUNTING = ("deliveries", "row_fates", "reference_losses", "read_counts")
VOCABULARY = tuple(t.name for t in cdm_tables().values() if t.schema == "VOCAB")
_MARKER = "candidate.json"
_RELEASED_SCHEMAS = ("omop", "marts")
_FATES = """
    select delivery_id, source_table, fate, rule, count(*) as rows
    from intermediate.int_row_fates
    group by all
    union all
    select delivery_id, source_table, 'withdrawn', 'person_withdrawn', rows_withdrawn
    from ({read_counts})
    where rows_withdrawn > 0
    order by all
"""


@dataclass(frozen=True)
class Candidate:
    """A complete candidate: its folder, its own id, the run that wrote it, and its tables.

    `tables` gives the SHA-256 of the file of each table to be released: what was checked is what is
    sealed.
    """

    folder: Path
    id: str
    run_id: str
    tables: Mapping[str, str]


def write_candidate(
    connection: duckdb.DuckDBPyConnection, paths: SitePaths, *, run_id: str
) -> Candidate:
    """Write the warehouse's tables as zstd parquet into the candidate folder, all at once.

    `connection` is to the site's warehouse; read-only is enough. A candidate that was there stays
    until the new one is complete. Raises ReleaseError, naming what is missing or why it can't be
    written (a full disk).
    """
    folder = empty_folder(paths.candidate.with_name(".candidate.new"))
    try:
        tables = _released_tables(connection)
        for name, schema in tables.items():
            _copy(connection, _sorted_by_person(connection, schema, name), folder / name)
        _copy(connection, "from intermediate.int_deliveries order by all", folder / "deliveries")
        read_counts = _read_counts(connection, paths)
        _copy(connection, _FATES.format(read_counts=read_counts), folder / "row_fates")
        _copy(
            connection,
            "from intermediate.int_reference_losses order by all",
            folder / "reference_losses",
        )
        _copy(connection, f"{read_counts} order by all", folder / "read_counts")
        hashes = {name: sha256_of_file(folder / f"{name}.parquet") for name in tables}
        write_json(folder / _MARKER, {"id": uuid4().hex, "run_id": run_id, "tables": hashes})
        publish_folder(folder, paths.candidate)
    except (duckdb.Error, OSError) as error:
        raise ReleaseError(
            f"the candidate can't be written ({_cause(error)}); the one before is as it was. Make "
            "room on the disk or mend the model, then run the build again"
        ) from error
    return read_candidate(paths)


def read_candidate(paths: SitePaths) -> Candidate:
    """Return the candidate on disk; raise ReleaseError when there is none that is complete."""
    try:
        marker = json.loads((paths.candidate / _MARKER).read_text(encoding="utf-8"))
        tables = dict(marker["tables"])
        return Candidate(paths.candidate, str(marker["id"]), str(marker["run_id"]), tables)
    except (OSError, ValueError, KeyError):
        raise ReleaseError(
            f"no complete candidate at {paths.root.name}/{paths.candidate.name}: run the build "
            "again, from its candidate step"
        ) from None


def _released_tables(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Return the schema of each table to be released, by name in order."""
    found = connection.execute(
        "select table_name, table_schema from information_schema.tables "
        "where table_catalog = current_database() and list_contains($schemas, table_schema) "
        "and not (table_schema = 'omop' and list_contains($vocabulary, table_name)) "
        "and not contains(table_name, '__int_') order by all",
        {"schemas": list(_RELEASED_SCHEMAS), "vocabulary": list(VOCABULARY)},
    ).fetchall()
    tables = {str(name): str(schema) for name, schema in found}
    if "person" not in tables:
        raise ReleaseError("the warehouse has no table omop.person: run `dbt build` on this site")
    if len(tables) < len(found) or tables.keys() & set(ACCOUNTING):
        raise ReleaseError("two tables of the warehouse would be released under one name")
    return tables


def _sorted_by_person(connection: duckdb.DuckDBPyConnection, schema: str, name: str) -> str:
    table = f'"{schema}"."{name}"'
    columns = [str(row[0]) for row in connection.execute(f"describe {table}").fetchall()]
    keys = ["person_id"] if "person_id" in columns else []
    keys += [column for column in columns[:1] if column not in keys]
    order = ", ".join(f'"{key}"' for key in keys)
    return f"from {table} order by {order}"


def _read_counts(connection: duckdb.DuckDBPyConnection, paths: SitePaths) -> str:
    """Return the query of the counts that reading left beside each delivery of this build."""
    ids = connection.execute(
        "select distinct delivery_id from intermediate.int_deliveries order by all"
    ).fetchall()
    files = [paths.raw / str(delivery) / "read_counts.parquet" for (delivery,) in ids]
    missing = [file.parent.name for file in files if not file.is_file()]
    if missing or not files:
        raise ReleaseError(
            f"no read_counts.parquet of delivery {', '.join(missing) or '(none in this build)'}: "
            "pull and read the delivery again"
        )
    names = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
    return f"from read_parquet([{names}], union_by_name = true)"


def _copy(connection: duckdb.DuckDBPyConnection, query: str, stem: Path) -> None:
    file = str(stem).replace("'", "''") + ".parquet"
    connection.execute(f"copy ({query}) to '{file}' (format parquet, compression zstd)")


def _cause(error: Exception) -> str:
    """Name the cause without a value of a row: a message of the engine may quote one."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    quotes_a_value = isinstance(error, duckdb.ConversionException | duckdb.InvalidInputException)
    return type(error).__name__ if quotes_a_value else str(error).splitlines()[0]
