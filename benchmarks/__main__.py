"""`python -m benchmarks`: measure every data set that is there, print the tables and keep them."""

import os
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.datasets import DATA_SETS, GIBLEED, PACKAGED, DataSet, add_site, shared_folder
from benchmarks.measure import measure
from benchmarks.replica import replicate, write_changes
from benchmarks.report import as_markdown, as_rich, peaks, times
from benchmarks.run import STEPS, Result, run, run_again, share_of, use_two_cores
from benchmarks.simulated import FORMATS, simulated
from pumasi.config import SitePaths, get_site, home_folder, project_root
from pumasi.config.environment import program_environment
from pumasi.errors import PumasiError

NAMES = ", ".join(data_set.name for data_set in DATA_SETS)
NOTES = """\
Measured on {cores} cores with DuckDB {duckdb}, dbt {dbt} and Dagster {dagster}; load average when \
it began {load:.1f}: well above 0, other programs ran and only CPU seconds compare. Seconds of the \
whole process; in parentheses without the start of Python, Dagster and dbt (checks start dbt and \
Great Expectations, and that is counted). Checks: dbt tests, writing the candidate, Great \
Expectations, conservation. Rows/s: source rows by the seconds of all steps. Memory: highest sum \
of the resident sets of a step's processes. Floor: DuckDB with 2 threads reads the same source \
files and writes each once as zstd parquet."""

# Of the persons, in the second delivery of an enlarged data set.
CHANGED_SHARE = 0.01

console = Console()
if not console.is_terminal:
    console = Console(width=120)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help=f"One of {NAMES}; can be repeated.")
    ] = None,
    scale: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Also an OMOP set with its persons N times."),
    ] = 1,
    persons: Annotated[
        list[int] | None,
        typer.Option(
            min=100,
            metavar="N",
            help="Simulated hospitals of N persons instead, as OMOP, hospital CSV and, up to "
            "100,000, FHIR; can be repeated.",
        ),
    ] = None,
    hospital: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help=f"Of the simulated hospitals only this, of {', '.join(FORMATS)}; can be repeated.",
        ),
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Only `pumasi demo`, from nothing to its end.")
    ] = False,
) -> None:
    """Seconds and peak memory of pull, dbt, checks and sealing, against the floor.

    Everything is done in a temporary home; the tables are kept below $PUMASI_HOME/bench.
    """
    kept = home_folder() / "bench"
    cores, load = use_two_cores(), os.getloadavg()[0]
    if demo:
        with _own_home(kept) as home:
            _demo(home)
        return
    formats = _formats(hospital)
    data_sets = [] if persons and not only else _chosen(only or [])
    with _own_home(kept) as home:
        results = [_measured(data_set) for data_set in data_sets]
        if scale > 1:
            results.append(_measured(_replica(data_sets, scale, home)))
            first = home / "replica" / "first"
            results.append(_measured_again(results[-1], first, first.with_name("second")))
        for size in persons or []:
            results += _simulated(size, formats, home)
    notes = NOTES.format(
        cores=cores,
        load=load,
        duckdb=version("duckdb"),
        dbt=version("dbt-core"),
        dagster=version("dagster"),
    )
    tables = times(results), peaks(results)
    for table in tables:
        console.print(as_rich(table))
    console.print(notes)
    file = kept / f"{datetime.now(UTC):%Y-%m-%dT%H%M%S}.md"
    file.write_text("\n\n".join([*map(as_markdown, tables), notes]) + "\n", encoding="utf-8")
    console.print(f"written to {file}", soft_wrap=True)


def _chosen(only: list[str]) -> list[DataSet]:
    """The data sets asked for that are there; without any, all; says what is not."""
    unknown = sorted(set(only) - {data_set.name for data_set in DATA_SETS})
    if unknown:
        raise typer.BadParameter(f"no data set {', '.join(unknown)}; there are {NAMES}")
    wanted = [each for each in DATA_SETS if each.name in only or not only]
    missing = [each.name for each in wanted if not each.is_available()]
    if missing:
        console.print(f"not measured: {', '.join(missing)}: not in {shared_folder()}")
    found = [each for each in wanted if each.name not in missing]
    if not found:
        raise typer.Exit(1)
    return found


@contextmanager
def _own_home(kept: Path) -> Iterator[Path]:
    """A temporary PUMASI_HOME and PUMASI_NETWORK, on the disk where the user's own home is."""
    kept.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="home-", dir=kept))
    network = home / "network"
    network.mkdir()
    os.environ |= {"PUMASI_HOME": str(home), "PUMASI_NETWORK": str(network)}
    try:
        yield home
    finally:
        shutil.rmtree(home)


def _demo(home: Path) -> None:
    """Measure the demo of the project's own network."""
    environment = program_environment()
    environment.pop("PUMASI_NETWORK")
    with console.status("demo"):
        took = measure(
            [str(Path(sys.executable).with_name("pumasi")), "demo"],
            log=home / "demo.log",
            folder=project_root(),
            environment=environment,
        )
    console.print(
        f"demo: {took.seconds:.0f} s, {took.cpu_seconds:.0f} CPU seconds, "
        f"{took.peak_bytes / 1e6:,.0f} MB"
    )


def _formats(hospitals: list[str] | None) -> dict[str, str]:
    """Format of each simulated hospital asked for; without any, all."""
    if unknown := sorted(set(hospitals or []) - set(FORMATS)):
        raise typer.BadParameter(
            f"no hospital {', '.join(unknown)}; there are {', '.join(FORMATS)}"
        )
    return {name: FORMATS[name] for name in hospitals or FORMATS}


def _simulated(persons: int, formats: dict[str, str], home: Path) -> Iterator[Result]:
    """Measure simulated hospitals of one size; each is deleted before the next is written.

    The one with OMOP files is delivered to once more.
    """
    for data_set, took in simulated(persons, formats, home, console.print):
        console.print(
            f"{data_set.name}: simulated in {took.seconds:.0f} s, {took.peak_bytes / 1e6:,.0f} MB"
        )
        result = _measured(data_set)
        yield result
        if data_set.format == "omop_cdm":
            (first,) = Path(data_set.url).iterdir()
            yield _measured_again(result, first, first.with_name(f"{first.name}_changes"))
        shutil.rmtree(data_set.url)
        shutil.rmtree(SitePaths.of(data_set.name).root)


def _measured(data_set: DataSet) -> Result:
    with console.status(f"{data_set.name}: starting") as status:
        try:
            result = run(data_set, status.update)
        except PumasiError as error:
            console.print(f"{data_set.name}: {error}", markup=False)
            raise typer.Exit(1) from None
    console.print(f"{data_set.name}: {result.seconds:.0f} s, {result.peak_bytes / 1e6:,.0f} MB")
    return result


def _measured_again(full: Result, first: Path, second: Path) -> Result:
    """A second delivery about a hundredth of the persons, and what it takes of a full build."""
    write_changes(first, second, CHANGED_SHARE)
    about = tomllib.loads((first / "delivery.toml").read_text(encoding="utf-8"))
    (second / "delivery.toml").write_text(
        f"as_of = {about['as_of'] + timedelta(days=31)}\n"
        f"extracted_through = {about['extracted_through']}\n"
        'kind = "incremental"\n'
    )
    with console.status(f"{full.name}: second delivery") as status:
        result = run_again(full.name, status.update)
    steps = ("pull", "dbt", "sealing")
    console.print(
        f"{full.name}: of a second delivery, {CHANGED_SHARE:.0%} of the persons, pull + dbt + "
        f"sealing are {share_of(result, full, steps):.1%} of the full build, without process "
        f"start; with the checks {share_of(result, full, STEPS):.1%}"
    )
    return result


def _replica(data_sets: list[DataSet], copies: int, home: Path) -> DataSet:
    """The first OMOP set chosen, else GiBleed, with its persons `copies` times."""
    omop = [each for each in data_sets if each.format == "omop_cdm"]
    base = GIBLEED if GIBLEED.is_available() else PACKAGED
    source = next((each for each in (base, *omop) if each in omop), base)
    with console.status(f"{source.name}: writing its persons {copies} times"):
        origin = source.moved(f"{source.name}_once", Path(source.url))
        add_site(origin)
        folder = home / "replica"
        replicate(get_site(origin.name), copies, folder / "first")
        (folder / "first" / "delivery.toml").write_text(
            f'as_of = {source.as_of}\nextracted_through = {source.as_of}\nkind = "full"\n'
        )
    return source.moved(f"{source.name}_x{copies}", folder)


if __name__ == "__main__":
    app()
