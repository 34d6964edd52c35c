"""Extracts of any size: hospitals of the simulator, in the formats whose numbers are published."""

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from benchmarks.datasets import DataSet
from benchmarks.measure import Measured, measure
from pumasi.config import project_root
from pumasi.config.environment import program_environment
from pumasi.simulate import World

FORMATS = {"bada": "omop_cdm", "haneul": "hospital_csv", "sup": "fhir_r4"}
# FHIR takes ten times the bytes of a row and is no format for a million persons.
MOST_PERSONS = {"sup": 100_000}


def simulated(
    persons: int, formats: Mapping[str, str], home: Path, say: Callable[[str], None]
) -> Iterator[tuple[DataSet, Measured]]:
    """Write the delivery of each hospital, by its format, with so many persons; and what it took.

    The next one is written when it is asked for; the one before may be deleted by then.
    """
    for hospital, source_format in formats.items():
        if persons > MOST_PERSONS.get(hospital, persons):
            continue
        name = f"{hospital}_{persons}"
        say(f"{name}: simulating")
        folder = home / "simulated" / name
        took = measure(
            [
                *(str(Path(sys.executable).with_name("pumasi")), "simulate", "run"),
                *("--hospital", hospital),
                *("--scale", str(persons / World().persons(hospital))),
                *("--out", str(folder), "--truth", str(home / "truth")),
            ],
            log=home / f"{name}.log",
            folder=project_root(),
            environment=program_environment(),
        )
        yield DataSet(name, str(folder / hospital), source_format, World().end, like=hospital), took
