"""What a build asks of its content, on a bigger candidate: `python -m benchmarks.content bada`.

Takes the last candidate of a hospital in PUMASI_HOME, its persons `--copies` times, and measures in
this process the suites and the catalogue, the keys of offenders, and the characterisation. dbt's
tests are not among it: `python -m benchmarks --persons N` measures a whole build.
"""

import resource
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import duckdb
import typer

import expectations
from pumasi.config import SitePaths, get_site
from pumasi.quality.catalogue import declared_empty
from pumasi.quality.characterisation import cdm_of_files, characterise
from pumasi.release.candidate import read_candidate
from pumasi.warehouse import memory_limit

# Identifiers of copies are this far apart; those of a hospital are hashes of 63 bits.
STRIDE = 1_000_003
T = TypeVar("T")
_SHARED = ("person_id", "visit_occurrence_id", "preceding_visit_occurrence_id")


def main(
    site: Annotated[str, typer.Argument(help="Hospital that was built.")],
    copies: Annotated[int, typer.Option(min=1, help="How often the persons are there.")] = 1,
) -> None:
    """Print persons, and seconds, CPU and memory of each part."""
    config = get_site(site)
    paths = SitePaths.of(config.id)
    declared = declared_empty(config.format, config.not_recorded)
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        persons = _copy(read_candidate(paths).folder, copies, folder)
        print(f"{persons:,} persons")
        outcomes = _measured(
            "suites and catalogue", lambda: expectations.run(folder, paths.vocabulary, declared)
        )
        _measured("keys", lambda: expectations.offenders(folder, paths.vocabulary, outcomes))
        today = datetime.now(UTC).date()
        with cdm_of_files(folder, paths.vocabulary, today, memory_limit()) as cdm:
            _measured("characterisation", lambda: characterise(cdm))


def _measured(name: str, work: Callable[[], T]) -> T:
    began, used = time.perf_counter(), time.process_time()
    result = work()
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"{name}: {seconds:.1f} s, {cpu:.1f} s of CPU; at most {peak:,.0f} MB so far")
    return result


def _copy(candidate: Path, copies: int, target: Path) -> int:
    """Write the tables with their persons that many times; returns the number of persons."""
    with duckdb.connect(config={"memory_limit": memory_limit()}) as connection:
        connection.execute("set preserve_insertion_order = false")
        for file in sorted(candidate.glob("*.parquet")):
            described = connection.execute(f"describe from '{file}'").fetchall()
            keys = {*_SHARED, f"{file.stem}_id"} & {str(row[0]) for row in described}
            shifted = ", ".join(f"{key} + copy * {STRIDE} as {key}" for key in sorted(keys))
            rows = f"select * replace ({shifted}) from '{file}', range({copies}) as c(copy)"
            relation = f"select * exclude (copy) from ({rows})" if keys else f"from '{file}'"
            connection.execute(
                f"copy ({relation}) to '{target / file.name}' (format parquet, compression zstd)"
            )
        (persons,) = connection.execute(
            f"select count(*) from '{target / 'person.parquet'}'"
        ).fetchall()[0]
    return int(persons)


if __name__ == "__main__":
    typer.run(main)
