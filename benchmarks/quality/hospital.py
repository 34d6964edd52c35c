"""A small simulated hospital, from its files to a candidate that can be checked, without Dagster.

What runs is what runs in a hospital: the same reading, the same SQL (dbt compiled it once), the
same candidate. Person keys are hashed with one fixed key, so that a seed gives the same rows again.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import mkdtemp

import duckdb
import pyarrow as pa

from pumasi.atomic import write_text
from pumasi.compiled import CompiledProject
from pumasi.config import SiteConfig, SitePaths, get_site, project_root
from pumasi.config.site import SourceConfig
from pumasi.extract import discover, pull, read, read_vocabulary
from pumasi.quality.characterisation import (
    FILE,
    cdm_of_files,
    characterise,
    read_characterisation,
    write_characterisation,
)
from pumasi.release import write_candidate
from pumasi.simulate import World, simulate
from pumasi.simulate.direct import KEY
from pumasi.simulate.world import HOSPITALS
from pumasi.warehouse import memory_limit


@dataclass(frozen=True)
class Build:
    """One build of a hospital: its warehouse (in memory), its candidate, and the one before.

    `previous` is the candidate of the delivery before; None after a first one. `as_of` is the day
    of the last delivery.
    """

    config: SiteConfig
    paths: SitePaths
    project: CompiledProject
    connection: duckdb.DuckDBPyConnection
    candidate: Path
    previous: Path | None
    as_of: date


@dataclass(frozen=True)
class Simulated:
    """A hospital on disk: a folder with its `deliveries`, and a `home` that has read the first.

    The home is there if the hospital delivers twice.
    """

    hospital: str
    folder: Path

    @property
    def deliveries(self) -> list[Path]:
        """The folders of its deliveries, the first one first."""
        return sorted(path for path in (self.folder / "deliveries").iterdir() if path.is_dir())


def simulated(
    hospital: str, seed: int, persons: int, twice: bool, work: Path, project: CompiledProject
) -> Simulated:
    """Return the hospital of this seed, simulating it if that was not done before.

    One that delivers twice does so with a month between. Other processes may ask for the same.
    """
    folder = work / f"{hospital}-{seed}-{persons}{'-twice' if twice else ''}"
    if not folder.exists():
        made = Path(mkdtemp(prefix=f".{folder.name}-", dir=work))
        _simulate(hospital, seed, persons, 1 + twice, made)
        if twice:
            _read_first(Simulated(hospital, made), project)
        try:
            os.rename(made, folder)
        except OSError:  # another process was first
            shutil.rmtree(made)
    return Simulated(hospital, folder)


def _simulate(hospital: str, seed: int, persons: int, deliveries: int, folder: Path) -> None:
    absent = tuple(name for name in HOSPITALS if name != hospital)
    world = World(scale=persons / World().persons(hospital), seed=seed, absent_hospitals=absent)
    simulate(world, folder / "all", folder / "truth", deliveries=deliveries)
    shutil.rmtree(folder / "truth")
    (folder / "all" / hospital).rename(folder / "deliveries")
    (folder / "all").rmdir()


def _read_first(hospital: Simulated, project: CompiledProject) -> None:
    """Build the first delivery; its raw tables and its candidate are what the second meets."""
    with _workplace(hospital) as (deliveries, home):
        shutil.rmtree(deliveries[-1])
        with built(hospital.hospital, deliveries, home, project) as build:
            characterisation(build.candidate, build.paths.vocabulary, build.as_of)
        shutil.copytree(home, hospital.folder / "home")


@contextmanager
def workplace(hospital: Simulated) -> Iterator[tuple[list[Path], Path]]:
    """Copy the hospital: the folders of its deliveries, which may be changed, and a home."""
    with _workplace(hospital) as (deliveries, home):
        if (hospital.folder / "home").exists():
            shutil.copytree(hospital.folder / "home", home, copy_function=os.link)
        yield deliveries, home


@contextmanager
def _workplace(hospital: Simulated) -> Iterator[tuple[list[Path], Path]]:
    place = Path(mkdtemp(prefix=".case-", dir=hospital.folder.parent))
    try:
        # Links: a fault writes a new file in the place of the old one.
        shutil.copytree(hospital.folder / "deliveries", place / "deliveries", copy_function=os.link)
        yield sorted((place / "deliveries").iterdir()), place / "home"
    finally:
        shutil.rmtree(place)


@contextmanager
def built(
    hospital: str, deliveries: Sequence[Path], home: Path, project: CompiledProject
) -> Iterator[Build]:
    """Read the deliveries that were not read, build, and write the candidate.

    Raises:
        DeliveryError: a delivery is refused.
        ReleaseError: the candidate can't be written.
        duckdb.Error: a model breaks.
    """
    site = get_site(hospital, project_root() / "network")
    source = SourceConfig(url=str(deliveries[0].parent), kind="full")
    config = site.model_copy(update={"source": source})
    paths = SitePaths.of(hospital, home)
    _write_key(paths.key)
    previous = None
    if paths.candidate.exists():
        previous = paths.root / "candidate_before"
        paths.candidate.rename(previous)
    found, as_of = discover(config), date.min
    for delivery in found:
        manifest = pull(config, delivery, paths)
        as_of = max(as_of, manifest.as_of)
        if not (paths.raw / manifest.delivery_id).exists():
            read(config, manifest, delivery, paths)
    read_vocabulary(config, found, paths)
    connection = project.build(paths)
    try:
        candidate = write_candidate(connection, paths, run_id="benchmark")
        yield Build(config, paths, project, connection, candidate.folder, previous, as_of)
    finally:
        connection.close()


def characterisation(candidate: Path, vocabulary: Path, today: date) -> pa.Table:
    """Return the counts of a candidate, which are written beside it when they are first asked for.

    Raises:
        QualityError: its tables can't be characterised.
    """
    file = candidate / FILE
    if not file.exists():
        with cdm_of_files(candidate, vocabulary, today, memory_limit()) as cdm:
            write_characterisation(characterise(cdm), file)
    return read_characterisation(file)


def _write_key(path: Path) -> None:
    if not path.exists():
        path.parent.mkdir(parents=True, mode=0o700)
        write_text(path, KEY.hex(), mode=0o600)
