"""A bigger extract from a small one: the persons of an OMOP extract many times, as parquet.

Every copy has persons, visits and events of its own. Identifiers are shifted, so a visit that the
original names and does not hold is missing in every copy too. Tables without persons stay single.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from pumasi.config import SiteConfig
from pumasi.extract import discover

SHARED_IDS = ("person_id", "visit_occurrence_id", "preceding_visit_occurrence_id")

# Tables that another delivery doesn't bring more of.
ONE_A_PERSON = ("person", "observation_period")


@dataclass(frozen=True)
class _Source:
    """A table of the extract: SQL that reads it, and its columns as they are spelt."""

    name: str
    relation: str
    columns: tuple[str, ...]

    @property
    def has_persons(self) -> bool:
        return "person_id" in [column.lower() for column in self.columns]

    @property
    def ids(self) -> list[str]:
        """Columns that identify persons, visits or the table's own rows."""
        identifying = (*SHARED_IDS, f"{self.name}_id")
        return [f'"{column}"' for column in self.columns if column.lower() in identifying]


def replicate(config: SiteConfig, copies: int, target: Path) -> None:
    """Write the site's only delivery, its persons `copies` times, into the new folder `target`."""
    target.mkdir(parents=True)
    (delivery,) = discover(config)
    with duckdb.connect() as connection, delivery.files(target / ".landing") as files:
        sources = list(_sources(connection, files))
        stride = 1 + max(_largest_id(connection, each) for each in sources if each.has_persons)
        for source in sources:
            query = _copied(source, copies, stride) if source.has_persons else source.relation
            file = _quoted(target / f"{source.name}.parquet")
            connection.execute(f"copy (from {query}) to {file} (format parquet, compression zstd)")


def write_changes(first: Path, target: Path, share: float) -> None:
    """Write a later, incremental delivery: that share of the persons has all events once more.

    `first` is an OMOP delivery as parquet, a table in one file (`drug_exposure.parquet`) or several
    (`drug_exposure_7.parquet`); the events of the new one have ids of their own.
    """
    target.mkdir(parents=True)
    tables: dict[str, list[Path]] = {}
    for file in sorted(first.glob("*.parquet")):
        tables.setdefault(re.sub(r"_\d+$", "", file.stem), []).append(file)
    with duckdb.connect() as connection:
        for table, files in tables.items():
            relation = f"read_parquet([{', '.join(map(_quoted, files))}])"
            described = connection.execute(f"describe from {relation}").fetchall()
            source = _Source(table, relation, tuple(str(row[0]) for row in described))
            own = [f'"{c}"' for c in source.columns if c.lower() == f"{table}_id"]
            if not source.has_persons or not own or table in ONE_A_PERSON:
                continue
            new = f"{own[0]} + (select max({own[0]}) + 1 from {relation}) as {own[0]}"
            some = f"hash(person_id) % 10000 < {share * 10000}"
            connection.execute(
                f"copy (select * replace ({new}) from {relation} where {some}) "
                f"to {_quoted(target / f'{table}.parquet')} (format parquet, compression zstd)"
            )


def _sources(connection: duckdb.DuckDBPyConnection, files: dict[str, Path]) -> Iterator[_Source]:
    for name, path in files.items():
        relations = {Path(name).name.lower().split(".", 1)[0]: _quoted(path)}
        if path.suffix == ".duckdb":
            connection.execute(f"attach {_quoted(path)} as source (read_only)")
            tables = connection.execute(
                "select table_name from duckdb_tables() where database_name = 'source'"
            ).fetchall()
            relations = {str(table).lower(): f'source."{table}"' for (table,) in tables}
        for table, relation in relations.items():
            described = connection.execute(f"describe from {relation}").fetchall()
            columns = tuple(str(row[0]) for row in described)
            if "column0" not in columns:  # what guessing importers make of a table without rows
                yield _Source(table, relation, columns)


def _copied(source: _Source, copies: int, stride: int) -> str:
    shifted = ", ".join(f"({id_}::bigint + copy * {stride}) as {id_}" for id_ in source.ids)
    return (
        f"(select * exclude (copy) replace ({shifted}) "
        f"from range({copies}) as copies(copy), {source.relation})"
    )


def _largest_id(connection: duckdb.DuckDBPyConnection, source: _Source) -> int:
    largest = ", ".join(f"max({id_}::bigint)" for id_ in source.ids)
    row = connection.execute(f"select greatest({largest}) from {source.relation}").fetchall()[0]
    return int(row[0] or 0)


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
