"""Running cases: one fault of one size in one simulated hospital, or a hospital without any.

A case is done once: results are kept, row by row, under the hash of the code that made them, and
what is there is not done again. A case depends on nothing but its row and that code.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

import duckdb

from benchmarks.quality.catalogue import QUARANTINED, REFUSED, Fault, FaultError
from benchmarks.quality.hospital import Build, built, simulated, workplace
from benchmarks.quality.inject import inject
from benchmarks.quality.outcomes import failed, outcomes_of
from pumasi.compiled import CompiledProject, compile_project
from pumasi.config import get_site, project_root
from pumasi.errors import DeliveryError, ReleaseError

# What decides how a case ends; the benchmark's own part of it is the definition of the fault.
CODE = ("dbt_project/models", "dbt_project/macros", "dbt_project/seeds", "dbt_project/tests",
        "expectations", "network", "pumasi/compiled.py", "pumasi/extract", "pumasi/omop",
        "pumasi/quality", "pumasi/release", "pumasi/simulate", "pumasi/warehouse.py")  # fmt: skip
CLEAN = "clean"
# The smallest hospital, in persons, in which all marts but those of Fabry disease at clinics have
# rows: with fewer, warnings fail or have nothing to judge by chance.
PERSONS = 1000
# Fault, its definition, hospital, delivery, seed, size.
Key = tuple[str, str, str, str, str, str]


@dataclass(frozen=True)
class Case:
    """What is run: a fault of a size, by its name and number, or none; hospital, delivery, seed."""

    fault: Fault | None
    hospital: str
    delivery: str
    seed: int
    size_name: str = ""
    size: float = 0.0

    @property
    def key(self) -> Key:
        """What tells it from other cases, as it stands in the file of results."""
        about = (self.fault.id, self.fault.definition) if self.fault else (CLEAN, "")
        return (*about, self.hospital, self.delivery, str(self.seed), f"{self.size:.6g}")


@dataclass(frozen=True)
class Result:
    """How a case ended, one row of the file of results.

    `ended` is caught, missed, refused (a delivery that should have been read), broken (a model),
    impossible (there was no row to hit), or, of a clean hospital, built. `rows` were hit. `failed`
    are the names of the checks that failed, as far as they were run.
    """

    fault: str
    definition: str
    hospital: str
    delivery: str
    seed: str
    size: str
    size_name: str
    rows: str
    ended: str
    failed: str
    seconds: str

    @property
    def key(self) -> Key:
        """As `Case.key`."""
        return (self.fault, self.definition, self.hospital, self.delivery, self.seed, self.size)

    @property
    def checks(self) -> list[str]:
        """Names of the checks that failed."""
        return self.failed.split()


def cases(faults: Sequence[Fault], seeds: Sequence[int], sizes: Sequence[str]) -> list[Case]:
    """Every fault that a check names at these of its sizes with each seed; the others need none."""
    return [
        Case(fault, fault.hospital, fault.delivery, seed, name, size)
        for seed in seeds
        for fault in faults
        for name, size in fault.sizes.items()
        if name in sizes and fault.check
    ]


def clean_cases(
    hospitals: Sequence[str], seeds: Sequence[int], deliveries: Sequence[str]
) -> list[Case]:
    """Hospitals in which nothing is wrong."""
    return [
        Case(None, hospital, delivery, seed)
        for seed in seeds
        for hospital in hospitals
        for delivery in deliveries
    ]


def code_hash() -> str:
    """Hash of the files that decide how a case ends."""
    digest = sha256(str(PERSONS).encode())
    for place in (project_root() / name for name in CODE):
        for path in [place] if place.is_file() else sorted(place.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(str(path.relative_to(project_root())).encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def compiled(hospitals: Sequence[str], folder: Path) -> dict[str, CompiledProject]:
    """The project compiled for the format of each hospital; twelve seconds each."""
    network = project_root() / "network"
    return {
        name: compile_project(get_site(name, network).format, folder / name)
        for name in dict.fromkeys(hospitals)
    }


def run(
    todo: Sequence[Case],
    projects: Mapping[str, CompiledProject],
    work: Path,
    kept: Path,
    processes: int,
) -> Iterator[Result]:
    """Run the cases and yield each result after it was written; the order is that of their ends."""
    if processes == 1:
        for case in todo:
            yield _kept(run_case(case, projects[case.hospital], work), kept)
        return
    pool = ProcessPoolExecutor(
        processes, get_context("spawn"), initializer=_take, initargs=(projects, work)
    )
    try:
        for done in as_completed([pool.submit(_run_taken, case) for case in todo]):
            yield _kept(done.result(), kept)
    finally:
        # Who stops it does not wait for what has not begun.
        pool.shutdown(cancel_futures=True)


def run_case(case: Case, project: CompiledProject, work: Path) -> Result:
    """Run one case in the folder `work`."""
    began = perf_counter()
    twice = case.delivery == "second"
    hospital = simulated(case.hospital, case.seed, PERSONS, twice, work, project)
    with workplace(hospital) as (deliveries, home):
        rows, ended, checks = _ended(case, deliveries, home, project)
    return Result(
        *case.key,
        case.size_name,
        str(rows),
        ended,
        " ".join(checks),
        f"{perf_counter() - began:.1f}",
    )


def _ended(
    case: Case, deliveries: Sequence[Path], home: Path, project: CompiledProject
) -> tuple[int, str, list[str]]:
    rows, fault = 0, case.fault
    try:
        if fault is not None:
            rows = inject(fault, case.size, case.seed, deliveries[-1])
    except FaultError as error:
        if "can be hit" in str(error):
            return 0, "impossible", []
        raise
    try:
        with built(case.hospital, deliveries, home, project) as build:
            return rows, *_judged(fault, rows, build)
    except DeliveryError as error:
        expected = fault is not None and fault.says and fault.says in str(error)
        return rows, "caught" if expected else "refused", []
    except (ReleaseError, duckdb.Error):
        return rows, "broken", []


def _judged(fault: Fault | None, rows: int, build: Build) -> tuple[str, list[str]]:
    if fault is not None and fault.check == QUARANTINED:
        return ("caught" if _quarantined(build) >= rows else "missed"), []
    outcomes = outcomes_of(build, fault.check if fault else "")
    names = sorted({outcome.name for outcome in failed(outcomes)})
    if fault is None:
        return "built", names
    if fault.check not in {REFUSED, *(outcome.name for outcome in outcomes)}:
        raise FaultError(f"fault {fault.id}: no check is called {fault.check}: correct its row")
    return ("caught" if fault.check in names else "missed"), names


def _quarantined(build: Build) -> int:
    file = str(build.candidate / "read_counts.parquet")
    query = "select sum(rows_quarantined) from read_parquet($file)"
    return int(duckdb.execute(query, {"file": file}).fetchall()[0][0])


_TAKEN: dict[str, object] = {}


def _take(projects: Mapping[str, CompiledProject], work: Path) -> None:
    """Keep in a new process what all its cases need."""
    _TAKEN.update(projects=projects, work=work)


def _run_taken(case: Case) -> Result:
    projects, work = _TAKEN["projects"], _TAKEN["work"]
    assert isinstance(projects, Mapping) and isinstance(work, Path)  # noqa: S101
    return run_case(case, projects[case.hospital], work)


def results(file: Path) -> list[Result]:
    """What was kept in the file."""
    if not file.exists():
        return []
    with file.open(encoding="utf-8", newline="") as stream:
        return [Result(**row) for row in csv.DictReader(stream)]


def _kept(result: Result, file: Path) -> Result:
    new = not file.exists()
    with file.open("a", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [each.name for each in fields(Result)])
        if new:
            writer.writeheader()
        writer.writerow(asdict(result))
    return result
