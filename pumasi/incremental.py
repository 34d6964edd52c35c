"""Incremental building: what a delivery changes is built again for the persons it is about only.

The changed persons are a hospital of their own: their raw rows, of every delivery, are copied to a
small home, the same project builds them there as it builds everybody, and their rows take the place
of their old ones. No model knows of it. Persons who share a record or name each other's visits go
together, so that no row of the one depends on a row left behind.

A full build is made wherever that would not give the same tables: another transformation or
vocabulary, a delivery that is not the last, that is full, or that a withdrawal wrote anew.
"""

import json
import shutil
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from pumasi.config import SitePaths
from pumasi.errors import ReleaseError
from pumasi.extract.contract import Format, Kind, person_column
from pumasi.extract.formats import FORMATS
from pumasi.extract.scan import literal
from pumasi.release.identity import vocabulary_hash

VOCABULARY = "vocabulary"
# Of everybody: above it, building all costs less than finding and replacing them.
MOST_CHANGED_SHARE = 0.2
_HOME, _PERSONS = "delta", "persons.parquet"


@dataclass(frozen=True)
class Delivery:
    """One delivery that was read, as it takes part in a build."""

    as_of: date
    source_version: str
    delivery_id: str
    extracted_through: date
    kind: str
    generation: int

    @property
    def rank(self) -> tuple[date, str]:
        """What orders deliveries; those of one rank supersede each other by content alone."""
        return self.as_of, self.source_version

    @property
    def place(self) -> tuple[date, str, str]:
        """Its place among all; the last one says how far observation reaches."""
        return self.as_of, self.source_version, self.delivery_id


@dataclass(frozen=True)
class Inputs:
    """All that a build is made of: one that is made of the same gives the same tables."""

    transformation: str
    vocabulary: str
    deliveries: tuple[Delivery, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        said: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> "Inputs":
        """Return what `to_dict` gave."""
        deliveries = tuple(map(_delivery, said["deliveries"]))
        return cls(said["transformation"], said["vocabulary"], deliveries)

    @property
    def reaches(self) -> date:
        """The day to which observation reaches."""
        return max(self.deliveries, key=lambda each: each.place).extracted_through


def _delivery(said: Mapping[str, Any]) -> Delivery:
    days = {key: date.fromisoformat(said[key]) for key in ("as_of", "extracted_through")}
    fields: dict[str, Any] = {**said, **days}
    return Delivery(**fields)


def inputs_of(paths: SitePaths, transformation: str) -> Inputs:
    """What a build that begins now is made of."""
    columns = "as_of, source_version, delivery_id, extracted_through, kind, generation"
    files = str(paths.raw / "*" / "delivery.parquet")
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"select {columns} from read_parquet($1, union_by_name = true) order by all", [files]
        ).fetchall()
    deliveries = tuple(Delivery(*row) for row in rows)
    return Inputs(transformation, vocabulary_hash(paths.vocabulary), deliveries)


def new_deliveries(before: Inputs, now: Inputs) -> tuple[Delivery, ...]:
    """Deliveries that can be added to what was built before; empty where all must be built."""
    same = (before.transformation, before.vocabulary) == (now.transformation, now.vocabulary)
    old = set(before.deliveries)
    new = tuple(each for each in now.deliveries if each not in old)
    if not same or not old or not old <= set(now.deliveries):
        return ()
    last = max(each.rank for each in old)
    if any(each.kind != "incremental" or each.rank <= last for each in new):
        return ()
    return new


@dataclass(frozen=True)
class Node:
    """One model or seed of the project: its parents are names of nodes, its sources of groups.

    `replaced_by` are the columns that tell which of its rows take the place of which.
    """

    name: str
    schema: str
    is_view: bool
    parents: frozenset[str]
    sources: frozenset[str]
    replaced_by: tuple[str, ...]
    moves_everybody: bool

    @property
    def relation(self) -> str:
        """Its table in SQL."""
        return f'"{self.schema}"."{self.name}"'


@dataclass(frozen=True)
class Split:
    """How each model is brought up to date: rows replaced, made anew as a whole, or left as it is.

    `copied` are of the vocabulary alone: they stay, and the small home gets a copy. `not_in_delta`
    are models that the small home can't make, because they are about everybody.
    """

    replaced: tuple[Node, ...]
    anew: tuple[Node, ...]
    copied: tuple[Node, ...]
    not_in_delta: frozenset[str]


def split(nodes: Collection[Node], *, reach_moved: bool) -> Split:
    """Split the models; `reach_moved`: observation reaches to another day than before."""
    above = {node.name: _closure(node.name, {n.name: n.parents for n in nodes}) for node in nodes}
    keyed = {node.name for node in nodes if node.replaced_by}
    models = {node.name: node for node in nodes}
    # Of all persons together, or of the day to which everybody is observed.
    moving = {
        node.name
        for node in nodes
        if (not node.is_view and not node.replaced_by and above[node.name] & keyed)
        or (node.moves_everybody and reach_moved)
    }
    below = {name for name in models if above[name] & moving}
    tables = [node for node in nodes if not node.is_view]
    read = {
        name: frozenset[str]().union(*(models[n].sources for n in {name, *above[name]}))
        for name in models
    }
    of_hospital = {n.name for n in tables if not n.replaced_by and read[n.name] - {VOCABULARY}}
    anew = of_hospital | moving | below
    everybody = {node.name for node in nodes if node.moves_everybody}
    return Split(
        replaced=tuple(node for node in tables if node.replaced_by and node.name not in anew),
        anew=tuple(node for node in tables if node.name in anew),
        copied=tuple(node for node in tables if read[node.name] == {VOCABULARY}),
        not_in_delta=frozenset(below | (moving - everybody)),
    )


def _closure(name: str, parents: Mapping[str, Iterable[str]]) -> frozenset[str]:
    found: set[str] = set()
    waiting = list(parents.get(name, ()))
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting += parents.get(each, ())
    return frozenset(found)


@dataclass(frozen=True)
class Delta:
    """The small home of the changed persons, and a file of their keyed hashes."""

    home: Path
    paths: SitePaths
    persons: Path
    count: int

    def remove(self) -> None:
        """Delete it; what it holds stands in the warehouse."""
        shutil.rmtree(self.home, ignore_errors=True)


def remove_delta(paths: SitePaths) -> None:
    """Delete what a process left that was killed."""
    shutil.rmtree(paths.root / _HOME, ignore_errors=True)


def write_delta(
    paths: SitePaths,
    new: Collection[Delivery],
    memory_limit: str = "3GB",
    most_changed: float = MOST_CHANGED_SHARE,
) -> Delta | None:
    """Copy the raw rows of everybody whom the new deliveries change; None if they are too many.

    `most_changed` is a share of everybody.
    """
    remove_delta(paths)
    home = paths.root / _HOME
    small = SitePaths.of(paths.root.name, home)
    small.raw.mkdir(parents=True)
    small.vocabulary.symlink_to(paths.vocabulary)
    source = FORMATS[_format(paths)]
    with duckdb.connect() as connection:
        connection.execute(f"set memory_limit = '{memory_limit}'")
        connection.execute(f"set temp_directory = {literal(str(home / 'spill'))}")
        connection.execute("set preserve_insertion_order = false")
        connection.execute("create temp table changed (person bigint)")
        _add_persons(connection, paths, source, [each.delivery_id for each in new])
        if _are_too_many(connection, paths, source, most_changed):
            return None
        found = True
        while found:
            _copy_rows(connection, paths, small, source)
            found = _add_linked(connection, paths, small, source)
        file = home / _PERSONS
        connection.execute(f"copy changed to {literal(str(file))} (format parquet)")
        count = _one(connection, "select count(*) from changed")
    return Delta(home, small, file, count)


def _format(paths: SitePaths) -> str:
    with duckdb.connect() as connection:
        files = str(paths.raw / "*" / "delivery.parquet")
        return str(
            connection.execute(
                "select any_value(format) from read_parquet($1)", [files]
            ).fetchall()[0][0]
        )


def _add_persons(
    connection: duckdb.DuckDBPyConnection,
    paths: SitePaths,
    source: Format,
    deliveries: Collection[str],
) -> None:
    for table in source.tables:
        files = [paths.raw / each / f"{table.name}.parquet" for each in deliveries]
        connection.execute(
            f"insert into changed select distinct {person_column(table)} as person "
            f"from {_parquet(files)} where person is not null "
            "and person not in (from changed)"
        )


def _are_too_many(
    connection: duckdb.DuckDBPyConnection, paths: SitePaths, source: Format, share: float
) -> bool:
    persons = next(table for table in source.tables if table.required)
    files = _files(paths, persons.name)
    everybody = _one(
        connection, f"select count(distinct {person_column(persons)}) from {_parquet(files)}"
    )
    return _one(connection, "select count(*) from changed") > share * everybody


def _copy_rows(
    connection: duckdb.DuckDBPyConnection, paths: SitePaths, small: SitePaths, source: Format
) -> None:
    for delivery in sorted(file.parent for file in paths.raw.glob("*/delivery.parquet")):
        target = small.raw / delivery.name
        target.mkdir(exist_ok=True)
        for name in ("delivery", "read_counts"):
            shutil.copyfile(delivery / f"{name}.parquet", target / f"{name}.parquet")
        for table in source.tables:
            file = delivery / f"{table.name}.parquet"
            if not file.is_file():
                continue
            person = person_column(table)
            condition = "true" if person.startswith("null") else f"{person} in (from changed)"
            connection.execute(
                f"copy (from {_parquet([file])} where {condition}) to "
                f"{literal(str(target / file.name))} (format parquet)"
            )


def _add_linked(
    connection: duckdb.DuckDBPyConnection, paths: SitePaths, small: SitePaths, source: Format
) -> bool:
    """Add who shares a record with a changed person, or names a visit that one names."""
    connection.execute("create or replace temp table keys (domain varchar, key bigint)")
    for domain, columns in _keys(source).items():
        parts = [
            f'select "{column}" as key from {_parquet(_files(small, table))}'
            for table, _, column in columns
        ]
        connection.execute(
            f"insert into keys select distinct {literal(domain)}, key "
            f"from ({' union all '.join(parts)}) where key is not null"
        )
    before = _one(connection, "select count(*) from changed")
    for domain, columns in _keys(source).items():
        for table, person, column in columns:
            files = _files(paths, table)
            connection.execute(
                f"insert into changed select distinct {person} as person from {_parquet(files)} "
                f'where "{column}" in (select key from keys where domain = {literal(domain)}) '
                "and person is not null and person not in (from changed)"
            )
    return _one(connection, "select count(*) from changed") > before


def _keys(source: Format) -> dict[str, list[tuple[str, str, str]]]:
    """Table, person and column of every identifier of a record or a visit, by its domain."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for table in source.tables:
        person = person_column(table)
        for column in table.columns:
            if column.kind in (Kind.VISIT, Kind.EVENT) and not person.startswith("null"):
                found.setdefault(column.domain, []).append((table.name, person, column.name))
    return found


def copy_tables(
    connection: duckdb.DuckDBPyConnection, warehouse: str, delta: str, copied: Collection[Node]
) -> None:
    """Copy tables from the warehouse into the small one; `connection` knows both by these names."""
    for node in copied:
        connection.execute(f'create schema if not exists "{delta}"."{node.schema}"')
        connection.execute(
            f'create table "{delta}".{node.relation} as from "{warehouse}".{node.relation}'
        )


def merge(
    connection: duckdb.DuckDBPyConnection,
    warehouse: str,
    delta: str,
    persons: Path,
    replaced: Collection[Node],
) -> None:
    """Put the rows of the changed persons in the place of their old ones, table by table.

    `connection` knows both databases by these names. Raises ReleaseError naming the table that has
    other columns, or other persons, than it should; a full build mends that.
    """
    by_person = f"(select person as person_id from read_parquet({literal(str(persons))}))"
    for node in replaced:
        old, new = f'"{warehouse}".{node.relation}', f'"{delta}".{node.relation}'
        if _columns(connection, old) != _columns(connection, new):
            raise ReleaseError(f"{node.name} has other columns than before: build again, in full")
        key = ", ".join(node.replaced_by)
        which = f"(select distinct {key} from {new})"
        if node.replaced_by == ("person_id",):
            which = by_person
            query = f"select count(*) from {new} where person_id not in {by_person}"
            if _one(connection, query):
                raise ReleaseError(f"{node.name} was built for others too: build again, in full")
        connection.execute(f"delete from {old} where ({key}) in {which}")
        connection.execute(f"insert into {old} by name from {new}")


def _columns(connection: duckdb.DuckDBPyConnection, relation: str) -> list[tuple[str, str]]:
    described = connection.execute(f"describe from {relation}").fetchall()
    return [(str(name), str(kind)) for name, kind, *_ in described]


def _files(paths: SitePaths, table: str) -> list[Path]:
    return sorted(paths.raw.glob(f"*/{table}.parquet"))


def _parquet(files: Collection[Path]) -> str:
    return f"read_parquet([{', '.join(literal(str(file)) for file in files)}])"


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(connection.execute(query).fetchall()[0][0])
