"""All steps of one data set, one after the other, each measured."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import duckdb

from benchmarks.datasets import DataSet, add_site
from benchmarks.measure import Measured, measure
from pumasi.config import SitePaths, project_root
from pumasi.config.environment import program_environment
from pumasi.config.workspace import write_dagster_home
from pumasi.release import latest_release

STEPS = ("pull", "dbt", "checks", "sealing")
# Parsing the dbt project is done once until it changes; the floor needs the delivery's manifest.
ORDER = ("prepare", *STEPS, "floor")


@dataclass(frozen=True)
class Step:
    """One step: its process as a whole, and the seconds of work in it (see `benchmarks.step`)."""

    process: Measured
    work_seconds: float


@dataclass(frozen=True)
class Result:
    """What a data set took. `source_rows` are the rows of the source tables that are read."""

    name: str
    persons: int
    source_rows: int
    steps: dict[str, Step]

    @property
    def seconds(self) -> float:
        """Wall seconds from the source files to the sealed release."""
        return sum(self.steps[step].process.seconds for step in STEPS)

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds of the same steps; far below `seconds` on a machine that is busy."""
        return sum(self.steps[step].process.cpu_seconds for step in STEPS)

    @property
    def peak_bytes(self) -> int:
        """The highest peak of the steps."""
        return max(self.steps[step].process.peak_bytes for step in STEPS)

    @property
    def times_floor(self) -> tuple[float, float]:
        """Pull and dbt as multiples of the floor: of whole processes, and of the work in them.

        Only of what `run` measured.
        """
        pull, dbt, floor = (self.steps[name] for name in ("pull", "dbt", "floor"))
        whole = (pull.process.seconds + dbt.process.seconds) / floor.process.seconds
        return whole, (pull.work_seconds + dbt.work_seconds) / floor.work_seconds


def run(data_set: DataSet, progress: Callable[[str], None]) -> Result:
    """Make a hospital of the data set and take it from its files to a release.

    Raises `ProgramFailedError` if a step ends with an error.
    """
    add_site(data_set)
    write_dagster_home()
    steps = {}
    for number, name in enumerate(ORDER, start=1):
        progress(f"{data_set.name}: {name} ({number} of {len(ORDER)})")
        steps[name] = _step(data_set.name, name)
    paths = SitePaths.of(data_set.name)
    return Result(data_set.name, _persons(paths), _source_rows(paths), steps)


def run_again(name: str, progress: Callable[[str], None]) -> Result:
    """Take what a hospital that `run` made has been delivered since to a release; no floor."""
    steps = {}
    for number, step in enumerate(STEPS, start=1):
        progress(f"{name}, second delivery: {step} ({number} of {len(STEPS)})")
        steps[step] = _step(name, step)
    paths = SitePaths.of(name)
    return Result(f"{name}, second delivery", _persons(paths), _source_rows(paths), steps)


def share_of(second: Result, first: Result, steps: Sequence[str]) -> float:
    """Seconds of work in these steps of the second delivery, as a share of the full build's."""
    return sum(second.steps[s].work_seconds for s in steps) / sum(
        first.steps[s].work_seconds for s in steps
    )


def _step(site: str, name: str) -> Step:
    folder = SitePaths.of(site).root / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    work = folder / f"{name}.seconds"
    program = ["benchmarks.floor"] if name == "floor" else ["benchmarks.step", name]
    process = measure(
        [sys.executable, "-m", *program, str(work)],
        log=folder / f"{name}.log",
        folder=project_root(),
        environment=program_environment() | {"PUMASI_SITE": site},
    )
    return Step(process, float(work.read_text()))


def _persons(paths: SitePaths) -> int:
    release = latest_release(paths)
    return release.manifest.tables["person"].rows if release else 0


def _source_rows(paths: SitePaths) -> int:
    files = str(paths.raw / "*" / "read_counts.parquet")
    with duckdb.connect() as connection:
        query = "select sum(rows_in - rows_ignored) from read_parquet($files)"
        return int(connection.execute(query, {"files": files}).fetchall()[0][0])


def use_two_cores() -> int:
    """Keep this process and its children on two cores, where the system can; how many there are."""
    if not hasattr(os, "sched_setaffinity"):
        return os.cpu_count() or 1
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    return len(os.sched_getaffinity(0))
