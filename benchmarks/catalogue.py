"""The catalogue on a bigger database: `python -m benchmarks.catalogue --copies 40`.

Loads the GiBleed data set with its persons that many times into a DuckDB file and measures
`pumasi quality run` on it as a program of its own.
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import duckdb
import typer

from benchmarks.datasets import GIBLEED, PACKAGED, add_site
from benchmarks.measure import Measured, measure
from benchmarks.replica import replicate
from pumasi.config import get_site
from pumasi.config.environment import program_environment

SCHEMA = "cdm"


def main(
    copies: Annotated[int, typer.Option(help="How often the persons are there.")] = 40,
) -> None:
    """Print persons, seconds and peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        persons, measured = measure_catalogue(copies, Path(folder))
    print(
        f"{persons:,} persons: {measured.seconds:.1f} s, {measured.cpu_seconds:.1f} s of CPU, "
        f"{measured.peak_bytes / 1e6:,.0f} MB"
    )


def measure_catalogue(copies: int, home: Path) -> tuple[int, Measured]:
    """Run the catalogue on GiBleed `copies` times; returns its persons and what was measured."""
    database = home / "replica.duckdb"
    persons = _load(copies, home, database)
    command = [sys.executable, "-c", "from pumasi.cli import main; main()", "quality", "run"]
    options = ["--database", str(database), "--schema", SCHEMA, "--out", str(home / "found")]
    environment = program_environment()
    return persons, measure([*command, *options], home / "log", home, environment)


def _load(copies: int, home: Path, database: Path) -> int:
    network = home / "network"
    network.mkdir()
    os.environ |= {"PUMASI_NETWORK": str(network), "PUMASI_HOME": str(home / "home")}
    origin = GIBLEED if GIBLEED.is_available() else PACKAGED
    add_site(origin)
    replicate(get_site(origin.name), copies, home / "replica")
    with duckdb.connect(str(database)) as connection:
        connection.execute(f"create schema {SCHEMA}")
        for file in sorted((home / "replica").glob("*.parquet")):
            connection.execute(f"create table {SCHEMA}.{file.stem} as from '{file}'")
        (persons,) = connection.execute(f"select count(*) from {SCHEMA}.person").fetchall()[0]
    return int(persons)


if __name__ == "__main__":
    typer.run(main)
