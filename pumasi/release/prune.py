"""Pruning: old releases are deleted, seals and all, so that the disk does not fill for good.

The latest release always stays, and so does one that a model names, unless that is forced: a model
whose release is gone can't be traced to what it was made from.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pumasi.config.paths import SitePaths
from pumasi.errors import ReleaseError
from pumasi.release.purge import releases_of_models
from pumasi.release.seal import latest_number, seal_files, sealing


@dataclass(frozen=True)
class Pruning:
    """Ids of the releases that go, and of those that stay because a model names them; bytes."""

    gone: tuple[str, ...]
    named: tuple[str, ...]
    bytes_freed: int


def prune(paths: SitePaths, keep: int, *, force: bool = False, dry_run: bool = False) -> Pruning:
    """Delete all but the `keep` releases that were sealed last; `force`: also those of models.

    Raises:
        ReleaseError: `keep` is less than 1, or the disk refuses.
    """
    if keep < 1:
        raise ReleaseError("at least the latest release stays: --keep 1 or more")
    with sealing(paths):
        old = _by_last_seal(paths)[:-keep]
        named = () if force else tuple(each for each in old if each in releases_of_models(paths))
        gone = tuple(each for each in old if each not in named)
        freed = _bytes_freed([paths.releases / each for each in gone])
        if not dry_run:
            _delete(paths, gone)
    return Pruning(gone, named, freed)


def _by_last_seal(paths: SitePaths) -> list[str]:
    """Releases in the order of their last seals; the latest comes last.

    A site whose latest seal is gone is not pruned: what is damaged is looked into first.
    """
    files = seal_files(paths)
    noted = latest_number(paths)
    if noted is not None and noted not in files:
        raise ReleaseError(
            f"seal {noted}, the latest of site {paths.root.name}, is gone: bring its folder back, "
            "or build again, before older ones are deleted"
        )
    last = {file.parent.parent.name: number for number, file in files.items()}
    return sorted(last, key=lambda each: last[each])


def _delete(paths: SitePaths, releases: Iterable[str]) -> None:
    """Rename first: a release is there whole or not at all, and what is left is cleared away."""
    for release_id in releases:
        hidden = paths.releases / f".{release_id}.new"
        (paths.releases / release_id).rename(hidden)
        shutil.rmtree(hidden)


def _bytes_freed(folders: Iterable[Path]) -> int:
    """Bytes of the files that have no name outside these folders: releases share files."""
    names: dict[tuple[int, int], int] = defaultdict(int)
    stats = {}
    for path in (file for folder in folders for file in folder.rglob("*") if file.is_file()):
        stat = path.stat()
        names[stat.st_dev, stat.st_ino] += 1
        stats[stat.st_dev, stat.st_ino] = stat
    return sum(stat.st_size for key, stat in stats.items() if names[key] == stat.st_nlink)
