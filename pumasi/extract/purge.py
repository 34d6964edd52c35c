"""Purging raw data: what was read of persons who withdrew is written again without them.

A delivery keeps its identity: its folder is replaced by a new generation of it, in which the rows
of these persons are counted as withdrawn. What is to be done follows from what lies there, so a
purge that was killed is finished by another one, at whatever step it was killed.
"""

import os
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import duckdb

from pumasi.atomic import sync_folder
from pumasi.config import SitePaths
from pumasi.extract.contract import person_column
from pumasi.extract.formats import FORMATS
from pumasi.extract.manifest import Manifest, load_manifest
from pumasi.extract.part import ROW_GROUP_ROWS
from pumasi.extract.scan import literal
from pumasi.extract.workplace import Progress, connection, no_row_values
from pumasi.warehouse import hold_warehouse

OLD = ".old"
NEW = ".purged"


@dataclass(frozen=True)
class Held:
    """What a delivery holds of some persons: rows by raw table, and entries of the quarantine.

    `hashes_of_nobody` are entries with the hash of a line whose person is not known.
    """

    manifest: Manifest
    rows: dict[str, int]
    quarantined: int
    hashes_of_nobody: int

    def __bool__(self) -> bool:
        return bool(sum(self.rows.values()) or self.quarantined or self.hashes_of_nobody)


def held_in_raw(paths: SitePaths, persons: Collection[int]) -> list[Held]:
    """What every delivery that was read holds of the persons; deliveries without any included."""
    with connection(paths.reading / "spill") as opened:
        _set_persons(opened, persons)
        return [_held(opened, paths, folder.name) for folder in _deliveries(paths)]


def purge_raw(paths: SitePaths, persons: Collection[int], progress: Progress) -> list[Held]:
    """Write every delivery anew that holds something of the persons; what each of them held.

    The caller keeps other readers out (`pumasi.extract.workplace.alone`).
    """
    _recover(paths)
    done = []
    spill = paths.reading / "spill"
    with no_row_values(f"site {paths.root.name}"), connection(spill) as opened:
        _set_persons(opened, persons)
        for folder in _deliveries(paths):
            held = _held(opened, paths, folder.name)
            if held:
                progress(f"delivery {folder.name}: writing it without them")
                _rewrite(opened, paths, held)
                done.append(held)
    shutil.rmtree(spill, ignore_errors=True)
    return done


def _deliveries(paths: SitePaths) -> list[Path]:
    return sorted(file.parent for file in paths.raw.glob("*/delivery.parquet"))


def _set_persons(opened: duckdb.DuckDBPyConnection, persons: Collection[int]) -> None:
    opened.execute(
        "create temp table withdrawn as select unnest($1::bigint[]) as id", [sorted(persons)]
    )


def _held(opened: duckdb.DuckDBPyConnection, paths: SitePaths, delivery: str) -> Held:
    manifest = load_manifest(paths.deliveries / f"{delivery}.json")
    rows = {}
    for table in FORMATS[manifest.format].tables:
        file = paths.raw / delivery / f"{table.name}.parquet"
        if file.is_file():
            condition = f"{person_column(table)} in (from withdrawn)"
            rows[table.name] = _count(opened, file, condition)
    quarantine = paths.quarantine / f"{delivery}.parquet"
    of_nobody = "person_id is null and line_hash is not null"
    return Held(
        manifest,
        rows,
        _count(opened, quarantine, "person_id in (from withdrawn)"),
        _count(opened, quarantine, of_nobody),
    )


def _count(opened: duckdb.DuckDBPyConnection, file: Path, condition: str) -> int:
    query = f"select count(*) from {_parquet(file)} where {condition}"
    return int(opened.execute(query).fetchall()[0][0])


def _rewrite(opened: duckdb.DuckDBPyConnection, paths: SitePaths, held: Held) -> None:
    delivery = held.manifest.delivery_id
    old, new = paths.raw / delivery, paths.reading / f"{delivery}{NEW}"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    quarantine = paths.quarantine / f"{delivery}.parquet"
    kept = new / "quarantine.parquet"
    _copy(
        opened,
        "select * replace (case when person_id is not null then line_hash end as line_hash) "
        f"from {_parquet(quarantine)} where not coalesce(person_id in (from withdrawn), false)",
        kept,
    )
    for file in sorted(old.glob("*.parquet")):
        if held.rows.get(file.stem):
            person = person_column(FORMATS[held.manifest.format].table(file.stem))
            query = f"from {_parquet(file)} where not {person} in (from withdrawn)"
            _copy(opened, query, new / file.name)
        elif file.name not in ("read_counts.parquet", "delivery.parquet"):
            _link(file, new / file.name)
    _copy(opened, _counts(old, new, kept, held), new / "read_counts.parquet")
    _copy(opened, _next_generation(old), new / "delivery.parquet")
    _commit(paths, delivery, new, kept)


def _counts(old: Path, new: Path, quarantine: Path, held: Held) -> str:
    """Query of the counts as they follow from what is kept; what came in stays what it was."""
    rewritten = [name for name, rows in held.rows.items() if rows]
    parts = [
        f"select {literal(name)} as source_table, count(*) as n, "
        f"coalesce(sum(values_nulled), 0)::bigint as nulled from {_parquet(new / name)}"
        for name in rewritten
    ]
    nothing = "select ''::varchar as source_table, 0::bigint as n, 0::bigint as nulled where false"
    return f"""
        with kept as ({" union all ".join([*parts, nothing])}),
        unread as (
            select source_table, count(*) as n from {_parquet(quarantine)} group by all
        ),
        counted as (
            select counts.* replace (
                coalesce(kept.n, counts.rows_read) as rows_read,
                coalesce(unread.n, 0) as rows_quarantined,
                coalesce(kept.nulled, counts.values_nulled) as values_nulled
            )
            from {_parquet(old / "read_counts")} as counts
            left join kept using (source_table)
            left join unread using (source_table)
        )
        select * replace (
            rows_in - rows_read - rows_quarantined - rows_ignored as rows_withdrawn
        )
        from counted
    """


def _next_generation(old: Path) -> str:
    return f"select * replace (generation + 1 as generation) from {_parquet(old / 'delivery')}"


def _commit(paths: SitePaths, delivery: str, new: Path, quarantine: Path) -> None:
    """Put the new generation in the place of the old, with nobody building.

    Killed between the two renames, the delivery lies aside, and `_recover` brings it back.
    """
    for file in new.iterdir():
        sync_folder(file)
    target, aside = paths.raw / delivery, paths.reading / f"{delivery}{OLD}"
    with hold_warehouse(paths):
        kept = quarantine.rename(paths.reading / f"{delivery}.quarantine")
        os.rename(target, aside)
        os.rename(new, target)
        sync_folder(paths.raw)
        kept.replace(paths.quarantine / f"{delivery}.parquet")
        sync_folder(paths.quarantine)
    shutil.rmtree(aside)


def _recover(paths: SitePaths) -> None:
    """Bring back what lies aside, and delete what else killed processes left here."""
    for aside in paths.reading.glob(f"*{OLD}"):
        target = paths.raw / aside.name.removesuffix(OLD)
        if target.exists():
            shutil.rmtree(aside)
        else:
            os.rename(aside, target)
    for left in paths.reading.iterdir():
        if left.is_dir():  # also of deliveries whose reading was killed
            shutil.rmtree(left)
        elif left.suffix == ".quarantine":
            left.unlink()


def _link(file: Path, target: Path) -> None:
    try:
        os.link(file, target)
    except OSError:
        shutil.copyfile(file, target)


def _parquet(stem: Path) -> str:
    return f"read_parquet({literal(str(stem.with_suffix('.parquet')))})"


def _copy(opened: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    opened.execute(
        f"copy ({query}) to {literal(str(path))} "
        f"(format parquet, compression zstd, row_group_size {ROW_GROUP_ROWS})"
    )
