"""`python -m benchmarks.faults`: faults in a running network, and what the runs say of them."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from benchmarks.faults.deployment import deployed
from benchmarks.faults.kinds import KINDS
from benchmarks.faults.trial import GRACE, Result, Trials, Verdict, drawn
from benchmarks.report import as_markdown, as_rich

console = Console()
if not console.is_terminal:
    console = Console(width=160)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    faults: Annotated[int, typer.Option(min=1, help="How many.")] = 100,
    seed: Annotated[int, typer.Option(help="Of their kinds, places and moments.")] = 1,
    seconds: Annotated[
        float, typer.Option(min=5, help="That hospitals have to answer; a busy machine needs more.")
    ] = 25,
    only: Annotated[
        str, typer.Option(metavar="WORDS", help="Only kinds whose name has these words.")
    ] = "",
    minutes: Annotated[
        float, typer.Option(help="Begin no fault after so many; the table has those until then.")
    ] = 1e9,
    markdown: Annotated[Path | None, typer.Option(help="Write the table here as well.")] = None,
) -> None:
    """Put faults into a network of four tiny hospitals; rc 1 if one does not end as it must.

    Each must end in the right number, or in an error that names the hospital (or the hub, if the
    fault was there) within the time-out and a grace; no process may stay, and the next exchange,
    after what had ended was started again, must give the right number.
    """
    kinds = [kind for kind in KINDS if only in kind.name]
    if not kinds:
        raise typer.BadParameter(f"no kind of fault has {only!r} in its name")
    # Whoever ends this command ends the network with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    results: list[Result] = []
    began = time.monotonic()
    try:
        with deployed(console.print) as cluster:
            todo = drawn(np.random.default_rng(seed), faults, kinds)
            for result in Trials.of(cluster, seconds).run(todo):
                results.append(result)
                _say(result, f"{len(results)}/{faults}")
                if time.monotonic() - began > 60 * minutes:
                    break
    finally:
        took = (time.monotonic() - began) / 60
        console.print(
            f"{len(results)} faults in {took:.0f} minutes; time-out {seconds:.0f} s, grace "
            f"{GRACE:.0f} s"
        )
        rows = table(results)
        console.print(as_rich(rows))
        if markdown:
            markdown.write_text(as_markdown(rows) + "\n")
    raise typer.Exit(0 if all(result.is_good for result in results) else 1)


def _say(result: Result, number: str) -> None:
    fault = result.fault
    when = "while the run begins" if fault.at_begin else "in an exchange"
    console.print(
        f"{number} {fault.kind.name}, {fault.hospital}, {when} at {fault.moment:.2f}: "
        f"{result.verdict}, {result.seconds:.0f} s",
        markup=False,
        highlight=False,
    )
    if not result.is_good:
        console.print(
            f"  NOT AS IT MUST BE: {result.words!r}; stayed: {result.orphans}; next exchange "
            f"right: {result.recovered}",
            markup=False,
        )


def table(results: Sequence[Result]) -> list[list[str]]:
    """A row per kind of fault and one for all, header first."""
    verdicts = [verdict for verdict in Verdict if verdict is not Verdict.MISSED]
    header = ["fault", "times", *verdicts, "processes left", "next one wrong", "longest, s"]
    rows = [header]
    for kind in KINDS:
        if of_kind := [each for each in results if each.fault.kind is kind]:
            rows.append(_row(kind.name, of_kind, verdicts))
    return [*rows, _row("all", results, verdicts)] if results else rows


def _row(name: str, results: Sequence[Result], verdicts: Sequence[Verdict]) -> list[str]:
    counts = [sum(each.verdict is verdict for each in results) for verdict in verdicts]
    counts += [
        sum(len(each.orphans) for each in results),
        sum(each.recovered is False for each in results),
    ]
    longest = max(each.seconds for each in results)
    return [name, str(len(results)), *map(str, counts), f"{longest:.0f}"]


if __name__ == "__main__":
    app()
