"""Purging releases: one that holds a person who withdrew loses its tables, and says so.

It is, with `prune`, the only operation on what was sealed. Manifest and seals stay: they hold
counts, and what was once learned from the release refers to them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path

import duckdb

from pumasi.config.paths import SitePaths
from pumasi.release.files import write_json
from pumasi.release.records import signature
from pumasi.release.release import PURGED
from pumasi.release.seal import sealing


def releases_holding(paths: SitePaths, persons: Collection[int]) -> list[str]:
    """Ids of the releases whose tables have a row of one of the persons, by keyed hash."""
    return [folder.name for folder in _folders(paths) if _holds(folder, persons)]


def purge_releases(paths: SitePaths, persons: Collection[int], at: datetime) -> list[str]:
    """Take the tables of every release that holds one of the persons, and the candidate, away.

    Returns the ids of the releases. Raises ReleaseError when the disk refuses.
    """
    with sealing(paths):
        for folder in (paths.candidate, *paths.root.glob(".candidate.*")):
            shutil.rmtree(folder, ignore_errors=True)
        found = releases_holding(paths, persons)
        for release_id in found:
            _say(paths, release_id, at)
        for folder in _folders(paths):
            if (folder / PURGED).exists():  # also what a killed purge left
                shutil.rmtree(folder / "tables", ignore_errors=True)
                for file in (folder / "seals").glob("*.characterisation.parquet"):
                    file.unlink()  # it has counts of single persons
    return found


def models_of(paths: SitePaths, releases: Collection[str]) -> list[Path]:
    """Files of the site's models that were made from one of the releases, sorted."""
    return sorted(path for path in paths.models.glob("**/*.json") if _release_in(path) in releases)


def releases_of_models(paths: SitePaths) -> frozenset[str]:
    """Ids of the releases that a model of the site names."""
    return frozenset(filter(None, map(_release_in, paths.models.glob("**/*.json"))))


def _release_in(model: Path) -> str:
    try:
        return str(json.loads(model.read_text(encoding="utf-8"))["release"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _folders(paths: SitePaths) -> Iterator[Path]:
    yield from sorted(path.parent for path in paths.releases.glob("[!.]*/manifest.json"))


def _holds(folder: Path, persons: Collection[int]) -> bool:
    with duckdb.connect() as connection:
        connection.execute(
            "create temp table withdrawn as select unnest($1::bigint[]) as id", [sorted(persons)]
        )
        return any(_in_table(connection, file) for file in (folder / "tables").rglob("*.parquet"))


def _in_table(connection: duckdb.DuckDBPyConnection, file: Path) -> bool:
    source = {"file": str(file)}
    described = connection.execute("describe from read_parquet($file)", source).fetchall()
    if "person_id" not in {name for name, *_ in described}:
        return False
    query = "select count(*) from read_parquet($file) where person_id in (from withdrawn)"
    return bool(connection.execute(query, source).fetchall()[0][0])


def _say(paths: SitePaths, release_id: str, at: datetime) -> None:
    said = {"release_id": release_id, "at": at.isoformat()}
    signed = {"purge": said, "hmac": signature(said, paths.key)}
    write_json(paths.releases / release_id / PURGED, signed)
