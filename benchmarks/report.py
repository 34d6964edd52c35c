"""The two tables of a benchmark, on the terminal and as markdown to be pasted into a document."""

from collections.abc import Sequence
from itertools import zip_longest

from rich.table import Table

from benchmarks.run import STEPS, Result, Step

Rows = Sequence[Sequence[str]]
TITLES = {"pull": "pull + read", "dbt": "dbt models", "checks": "checks", "sealing": "sealing"}


def times(results: Sequence[Result]) -> Rows:
    """Seconds of every step, header first: the whole process, in parentheses the work in it."""
    steps = [TITLES[step] for step in STEPS]
    header = ["data set", "persons", "source rows", "a person", *steps, "all", "CPU", "rows/s"]
    return [header] + [
        [
            result.name,
            f"{result.persons:,}",
            f"{result.source_rows:,}",
            f"{result.source_rows / result.persons:,.0f}" if result.persons else "-",
            *(_seconds(result.steps[step]) for step in STEPS),
            f"{result.seconds:.1f}",
            f"{result.cpu_seconds:.1f}",
            f"{result.source_rows / result.seconds:,.0f}",
        ]
        for result in results
    ]


def peaks(results: Sequence[Result]) -> Rows:
    """Peak memory of every step in MB, and pull + dbt against the floor, header first."""
    header = ["data set", *(TITLES[s] for s in STEPS), "floor", "pull + dbt : floor"]
    return [header] + [
        [
            result.name,
            *(f"{result.steps[step].process.peak_bytes / 1e6:,.0f} MB" for step in STEPS),
            *_floor(result),
        ]
        for result in results
    ]


def as_rich(rows: Rows) -> Table:
    """The rows as a table for the terminal."""
    table = Table()
    for number, title in enumerate(rows[0]):
        table.add_column(title, justify="right" if number else "left", no_wrap=not number)
    for row in rows[1:]:
        table.add_row(*row)
    return table


def as_markdown(rows: Rows) -> str:
    """The rows as a markdown table."""
    rule = [text for text, _ in zip_longest(["---"], rows[0], fillvalue="--:")]
    return "\n".join("| " + " | ".join(row) + " |" for row in (rows[0], rule, *rows[1:]))


def _floor(result: Result) -> tuple[str, str]:
    if "floor" not in result.steps:
        return "-", "-"
    return _seconds(result.steps["floor"]), "{:.1f} ({:.1f})".format(*result.times_floor)


def _seconds(step: Step) -> str:
    return f"{step.process.seconds:.1f} ({step.work_seconds:.1f})"
