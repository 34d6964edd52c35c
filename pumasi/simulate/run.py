"""A simulation from the switches of a world to the deliveries of its hospitals and the truth.

Chunks are independent: each process makes one at a time, from lives to files, and keeps nothing.
The files of a chunk are its own, so neither the number of processes nor their order changes a byte.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import cast, get_args

import pyarrow.compute as pc

from pumasi.errors import ConfigError
from pumasi.simulate.life import Life, live
from pumasi.simulate.record import Record, record
from pumasi.simulate.truth import write_truth, write_world
from pumasi.simulate.world import HOSPITALS, Access, Chunk, Preset, Recording, World
from pumasi.simulate.writers import WRITERS, Cut, write_about, write_part

Lives = Callable[[Chunk, World], Life]
# Chunk number of one hospital's patients in another's files: room for the chunks of one hospital.
_PARTS = 10_000
# Measured with the demo preset: rows and bytes a person in each format, for --dry-run.
_ROWS_A_PERSON = 130
_BYTES_A_ROW = {"haneul": 62, "bada": 6, "sup": 430, "deul": 128}


@dataclass(frozen=True)
class Estimate:
    """What a hospital's deliveries will hold, roughly."""

    hospital: str
    persons: int
    rows: int
    bytes: int


@dataclass(frozen=True)
class Done:
    """What one chunk gave: rows of the last delivery, by hospital."""

    chunk: Chunk
    rows: dict[str, int]


def world_of(
    preset: str,
    scale: float,
    seed: int,
    *,
    recording: str,
    access: str,
    identifiable: bool,
    hospitals: Sequence[str] = (),
) -> World:
    """Return the world of these words; all hospitals, or those that are named.

    Raises ConfigError if a word is none, or no hospital has that name.
    """
    if unknown := sorted(set(hospitals) - set(HOSPITALS)):
        raise ConfigError(f"no hospital {unknown[0]}; there are {', '.join(HOSPITALS)}")
    absent = tuple(name for name in HOSPITALS if hospitals and name not in hospitals)
    allowed = {
        "preset": get_args(Preset),
        "recording": get_args(Recording),
        "access": get_args(Access),
    }
    for name, value in (("preset", preset), ("recording", recording), ("access", access)):
        if value not in allowed[name]:
            raise ConfigError(f"{name} is one of {', '.join(allowed[name])}, not {value!r}")
    if identifiable:
        world = World.identifiable(cast(Preset, preset), scale, seed)
        return replace(world, absent_hospitals=absent)
    return World(
        preset=cast(Preset, preset),
        scale=scale,
        seed=seed,
        recording=cast(Recording, recording),
        access=cast(Access, access),
        absent_hospitals=absent,
    )


def estimates(world: World) -> list[Estimate]:
    """Return what a run will write, one row per hospital, without running it."""
    years = (world.end - world.start).days / 3652.5
    found = []
    for name in world.hospitals:
        persons = world.persons(name)
        rows = round(persons * _ROWS_A_PERSON * years)
        found.append(Estimate(name, persons, rows, rows * _BYTES_A_ROW[name]))
    return found


def cuts(world: World, deliveries: int = 1, *, incremental: bool = False) -> list[Cut]:
    """Return the monthly deliveries that end with the world, the first one first.

    The first is always full; with `incremental` each later one holds what was written since.
    """
    if not 1 <= deliveries <= 120:
        raise ConfigError("a hospital makes between 1 and 120 deliveries")
    days = [_months_before(world.end, back) for back in range(deliveries - 1, -1, -1)]
    if days[0] <= world.start:
        raise ConfigError("the first delivery would be made before the world begins")
    found: list[Cut] = []
    for day in days:
        after = found[-1].through if incremental and found else None
        found.append(Cut(as_of=day, through=day - timedelta(days=1), after=after))
    return found


def simulate(
    world: World,
    out: Path,
    truth: Path,
    processes: int = 1,
    progress: Callable[[Done], None] = lambda done: None,
    *,
    lives: Lives | None = None,
    deliveries: int = 1,
    incremental: bool = False,
) -> None:
    """Write the deliveries of `world` below `out`, one folder a hospital, and the truth.

    Args:
        world: what is simulated.
        out: folder of the deliveries; those of the world's hospitals are replaced.
        truth: folder of the truth, outside `out`; it is replaced.
        processes: how many chunks are made at a time; each needs about 2 GB at 20,000 persons.
        progress: called after each chunk.
        lives: makes the life of a chunk; the default is the simulator's.
        deliveries: how many monthly deliveries each hospital makes.
        incremental: whether all but the first hold only what was written since.

    Raises:
        ConfigError: the truth would lie among the deliveries, or these numbers make no sense.
    """
    out, truth = out.resolve(), truth.resolve()
    if truth == out or out in truth.parents:
        raise ConfigError(
            "the truth must not lie in the folder of the deliveries: hospitals read it"
        )
    made = cuts(world, deliveries, incremental=incremental)
    shutil.rmtree(truth, ignore_errors=True)
    for name in world.hospitals:
        shutil.rmtree(out / name, ignore_errors=True)
        for cut in made:
            write_about(WRITERS[name], cut, out / name / cut.folder)
    one = partial(_chunk, world=world, out=out, truth=truth, made=made, lives=lives or live)
    for done in _each(one, list(world.chunks()), processes):
        progress(done)
    write_world(world, truth)


def _each(one: Callable[[Chunk], Done], chunks: Sequence[Chunk], processes: int) -> Iterator[Done]:
    if processes <= 1 or len(chunks) == 1:
        yield from map(one, chunks)
        return
    # The longest first: hospitals are of different sizes, and the last chunk of each is short.
    ordered = sorted(chunks, key=lambda chunk: -chunk.persons)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(one, ordered)


def _chunk(
    chunk: Chunk, world: World, out: Path, truth: Path, made: Sequence[Cut], lives: Lives
) -> Done:
    """Make one chunk: its lives, what hospitals wrote of them, the files of both."""
    life = lives(chunk, world)
    written = record(life, chunk, world)
    rows: dict[str, int] = {}
    for name in _writing(written):
        part = HOSPITALS.index(chunk.hospital) * _PARTS + chunk.number
        for cut in made:
            folder = out / name / cut.folder
            counts = write_part(written, name, WRITERS[name], cut, folder, part)
            rows[name] = sum(counts.values())
    write_truth(life, written, chunk, truth)
    return Done(chunk, rows)


def _writing(written: Record) -> list[str]:
    """Return the hospitals that wrote something of a chunk, in their fixed order."""
    found = set(pc.unique(written.visits["hospital"]).to_pylist())
    return [name for name in HOSPITALS if name in found]


def _months_before(day: date, months: int) -> date:
    """Return the same day of an earlier month, its last day where there is no such."""
    number = day.year * 12 + day.month - 1 - months
    first = date(number // 12, number % 12 + 1, 1)
    following = date((number + 1) // 12, (number + 1) % 12 + 1, 1)
    return first + timedelta(days=min(day.day, (following - first).days) - 1)
