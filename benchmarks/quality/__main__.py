"""`python -m benchmarks.quality`: put every fault into small hospitals, and count what is found."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.quality import cases as running
from benchmarks.quality.cases import Case, Result
from benchmarks.quality.catalogue import Fault, faults
from benchmarks.quality.declared import declared
from benchmarks.quality.document import published, write_document
from benchmarks.quality.report import alarm_rows, broken_promises, fault_rows
from benchmarks.report import as_rich
from pumasi.config import home_folder
from pumasi.errors import PumasiError
from pumasi.simulate.world import HOSPITALS

SIZES = ("gross", "middle", "low", "promised", "half")
DELIVERIES = ("first", "second")
# Measured on two cores: a case takes 3 to 6 seconds of one.
SECONDS_A_CASE = 4

console = Console()
if not console.is_terminal:
    console = Console(width=160)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    only: Annotated[
        list[str] | None, typer.Option("--faults", metavar="ID", help="Only this; repeatable.")
    ] = None,
    seeds: Annotated[
        str, typer.Option(help="Seeds of the hospitals with faults: 1-3,7; empty for none.")
    ] = "1-3",
    sizes: Annotated[
        str, typer.Option(help=f"Sizes of the faults, of {', '.join(SIZES)}.")
    ] = ",".join(SIZES),
    clean: Annotated[
        str, typer.Option(help="Seeds of the hospitals without faults; empty for none.")
    ] = "1-20",
    deliveries: Annotated[
        str, typer.Option(help="Of hospitals without faults: after the first, after the second.")
    ] = ",".join(DELIVERIES),
    processes: Annotated[int, typer.Option(min=1, help="Cases at a time.")] = 2,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be run.")] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Write docs/validation/seeded-faults.md as well.")
    ] = False,
) -> None:
    """Which check finds which fault, from which size on, and what fails where nothing is wrong.

    What was run with this code is not run again, and all of it is shown: results are kept below
    $PUMASI_HOME/bench-quality.
    """
    try:
        chosen = _chosen(only or [])
        wanted = running.cases(chosen, _numbers(seeds), _named(sizes, SIZES))
        wanted += running.clean_cases(HOSPITALS, _numbers(clean), _named(deliveries, DELIVERIES))
        kept = _kept_file()
        done = {result.key for result in running.results(kept)}
        todo = [case for case in wanted if case.key not in done]
        minutes = len(todo) * SECONDS_A_CASE / processes / 60
        console.print(
            f"{len(chosen)} faults; {len(wanted)} cases, {len(wanted) - len(todo)} of them done "
            f"before; about {minutes:.0f} minutes"
        )
        if dry_run:
            return
        _run(todo, kept, processes)
        _show(chosen, kept, write=write)
    except PumasiError as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None


def _chosen(only: Sequence[str]) -> list[Fault]:
    every = faults()
    if unknown := sorted(set(only) - {fault.id for fault in every}):
        raise typer.BadParameter(f"there is no fault {', '.join(unknown)}; see faults.toml")
    return [fault for fault in every if not only or fault.id in only]


def _named(text: str, known: Sequence[str]) -> list[str]:
    found = [name for name in text.split(",") if name]
    if unknown := sorted(set(found) - set(known)):
        raise typer.BadParameter(f"there is no {', '.join(unknown)}: {', '.join(known)}")
    return found


def _numbers(text: str) -> list[int]:
    """Numbers as in 1-3,7."""
    found: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        try:
            found += range(int(first), int(last or first) + 1)
        except ValueError:
            raise typer.BadParameter(f"seeds are numbers as in 1-3,7, not {text}") from None
    return found


def _run(todo: Sequence[Case], kept: Path, processes: int) -> None:
    if not todo:
        return
    kept.parent.mkdir(parents=True, exist_ok=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
    )
    with TemporaryDirectory(prefix="work-", dir=kept.parent) as folder, bar:
        task = bar.add_task("compiling the dbt project", total=len(todo))
        work = Path(folder)
        projects = running.compiled([case.hospital for case in todo], work / "compiled")
        for result in running.run(todo, projects, work, kept, processes):
            bar.update(task, advance=1, description=_said(result))


def _said(result: Result) -> str:
    return f"{result.fault} {result.size_name} {result.hospital} {result.seed}: {result.ended}"


def _kept_file() -> Path:
    """The file of results of this code; what was published of it is the beginning."""
    kept = home_folder() / "bench-quality" / f"{running.code_hash()}.csv"
    if not kept.exists() and published(kept).exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(published(kept), kept)
    return kept


def _show(chosen: Sequence[Fault], kept: Path, *, write: bool) -> None:
    results = running.results(kept)
    table, alarms = fault_rows(chosen, results), alarm_rows(results, declared())
    for rows in (table, alarms):
        console.print(as_rich(rows))
    broken = [fault.id for fault in broken_promises(chosen, results)]
    console.print(f"promises not kept: {', '.join(broken) or 'none'}", soft_wrap=True)
    if write:
        file = write_document(chosen, results, table, alarms, kept)
        console.print(f"written to {file}", soft_wrap=True)


if __name__ == "__main__":
    app()
