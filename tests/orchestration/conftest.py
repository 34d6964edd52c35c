"""A tiny hospital in a network and a home of its own, and Dagster's instance that goes with it."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from orchestration.__main__ import run_site
from orchestration.site.definitions import build_definitions
from pumasi.config import SiteConfig, SitePaths, get_site
from pumasi.config.environment import program_environment
from pumasi.config.workspace import write_dagster_home, write_workspace
from tests.hospital import (
    ASTHMA,
    BLEED,
    CELECOXIB,
    DICLOFENAC,
    EMPLOYMENT,
    GUIDANCE,
    WEIGHT,
    TinyHospital,
    write_vocabulary,
)

SITE = """\
name = "Tiny hospital"
format = "fhir_r4"

[source]
url = "../extract"

[vocabulary]
source = "folder"
url = "../vocabulary"
"""
FIRST_DAY = date(2010, 1, 1)


@dataclass
class Ward:
    """One tiny hospital on disk: its configuration, its folders, and what one does with it."""

    root: Path
    instance: dg.DagsterInstance

    @property
    def config(self) -> SiteConfig:
        """The site's configuration as it is now."""
        return get_site("tiny")

    @property
    def paths(self) -> SitePaths:
        """Folders of the site."""
        return SitePaths.of("tiny")

    def deliver(self, hospital: TinyHospital, name: str, as_of: str) -> None:
        """Put a full delivery into the source folder."""
        folder = self.root / "extract" / name
        hospital.write(folder)
        (folder / "delivery.toml").write_text(f"as_of = {as_of}\n")

    def build(self) -> bool:
        """Take in what lies there and build; True if every run succeeded."""
        return run_site(self.config)

    def definitions(self) -> dg.Definitions:
        """The code location as it is now."""
        return build_definitions(self.config)


@pytest.fixture
def ward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ward]:
    """A hospital without a delivery."""
    yield from open_ward(tmp_path, monkeypatch)


# Folders of a ward that a test may change.
CHANGING = ("home", "extract")


@pytest.fixture(scope="session")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Root of the hospital of 61 persons, built once; `built` is it as it was then."""
    root = tmp_path_factory.mktemp("ward")
    with pytest.MonkeyPatch.context() as monkeypatch:
        for ward in open_ward(root, monkeypatch):
            ward.deliver(hospital_of_61(), "first", "2019-06-30")
            assert ward.build()
    for name in CHANGING:
        shutil.copytree(root / name, root / "as_built" / name)
    return root


@pytest.fixture
def built(built_once: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ward]:
    """The hospital of 61 persons as it was after its build, and all that Dagster had seen then."""
    enter(built_once, monkeypatch)
    for name in CHANGING:
        shutil.rmtree(built_once / name)
        shutil.copytree(built_once / "as_built" / name, built_once / name)
    with dg.DagsterInstance.get() as instance:
        yield Ward(built_once, instance)


def open_ward(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ward]:
    """A hospital below `root`: the network and the home of everything that is started from here."""
    (root / "network").mkdir()
    (root / "network" / "tiny.toml").write_text(SITE)
    (root / "extract").mkdir()
    write_vocabulary(root / "vocabulary")
    enter(root, monkeypatch)
    write_workspace()
    write_dagster_home()
    with dg.DagsterInstance.get() as instance:
        yield Ward(root, instance)


def enter(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the ward below `root` the one that the environment names."""
    monkeypatch.setenv("PUMASI_NETWORK", str(root / "network"))
    monkeypatch.setenv("PUMASI_HOME", str(root / "home"))
    for name, value in program_environment().items():
        if os.environ.get(name) != value:
            monkeypatch.setenv(name, value)


def hospital_of_61() -> TinyHospital:
    """Sixty persons, and one who was given both drugs."""
    hospital = bleeding_hospital(60)
    hospital.add_person("both")
    hospital.add_condition(
        "both", BLEED, "2010-06-01", "2010-06-01", hospital.add_visit("both", "2010-06-01")
    )
    for drug in (CELECOXIB, DICLOFENAC):
        hospital.add_drug("both", drug, "2011-06-01")
    return hospital


def bleeding_hospital(persons: int = 500, seed: int = 11) -> TinyHospital:
    """New users of two drugs over eight years, of whom the old bleed more often."""
    generator = np.random.default_rng(seed)
    hospital = TinyHospital()
    for number in range(persons):
        person = f"p{number}"
        age = int(generator.integers(25, 85))
        hospital.add_person(
            person,
            born=str(date(2012 - age, 1 + number % 12, 15)),
            sex="female" if generator.random() < 0.5 else "male",
        )
        visit = hospital.add_visit(person, str(FIRST_DAY + timedelta(days=number % 300)))
        if number % 10 == 0:
            hospital.add_condition(person, ASTHMA, "2010-12-01", "2010-12-01", visit)
        seen = str(FIRST_DAY + timedelta(days=number % 300))
        hospital.add_measurement(person, WEIGHT, seen, 60.0 + number % 40, "kg")
        hospital.add_measurement(person, EMPLOYMENT, seen, 1, "kg")
        hospital.add_procedure(person, GUIDANCE, seen)
        index = FIRST_DAY + timedelta(days=int(generator.integers(400, 1200)))
        hospital.add_drug(person, CELECOXIB if number % 2 else DICLOFENAC, str(index), days=30)
        if generator.random() < (age - 20) / 90:
            bleed = str(index + timedelta(days=int(generator.integers(5, 360))))
            hospital.add_condition(person, BLEED, bleed, bleed)
    return hospital
