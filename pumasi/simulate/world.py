"""The world that is simulated: its hospitals, years, size, and the switches of method work.

Everything that a run depends on stands here. A chunk of persons is a function of (seed, hospital,
chunk number) and of these switches only, so neither the number of processes nor their order can
change a byte.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np

from pumasi.errors import ConfigError
from pumasi.simulate.columns import Floats, Ints, day_number
from pumasi.simulate.parameters import Parameters, parameters

CHUNK_PERSONS = 20_000
HOSPITALS = ("haneul", "bada", "sup", "deul")
# Room for the persons of one hospital: person ids are unique in the network without a registry.
_PERSONS_OF_A_HOSPITAL = 1_000_000_000

Preset = Literal["demo", "enriched_dev", "realistic"]
Assignment = Literal["latent", "recorded"]
Recording = Literal["perfect", "non_differential", "differential"]
Access = Literal["korea", "liberal_access"]


@dataclass(frozen=True)
class Chunk:
    """Persons that are simulated together: the `number`-th block of a hospital's patients."""

    hospital: str
    number: int
    persons: int

    @property
    def first_person(self) -> int:
        """The id of its first person; the others follow without a gap."""
        start = (HOSPITALS.index(self.hospital) + 1) * _PERSONS_OF_A_HOSPITAL
        return start + self.number * CHUNK_PERSONS


@dataclass(frozen=True)
class World:
    """What is simulated: a preset, its size, the seed, and switches that may be set one by one.

    `unmeasured_confounder`, `assignment`, `recording`, `outside_care`, `access` and `strict_rules`
    are for method work; the others are the stress settings of real networks (clinical.md 4.6), on
    by default. The numbers behind each stand in `parameters/network.json`.
    """

    preset: Preset = "demo"
    scale: float = 1.0
    seed: int = 20260701
    # Treatment and outcome share a cause that no hospital records.
    unmeasured_confounder: bool = True
    # Doctors decide on the true value of a marker, or on what their hospital has recorded.
    assignment: Assignment = "latent"
    recording: Recording = "non_differential"
    # Part of the care happens where no hospital of the network sees it.
    outside_care: bool = True
    access: Access = "korea"
    # Reimbursement rules are enforced always, not in 95 % of cases: no user outside the rules.
    strict_rules: bool = False
    # Hospitals differ in how common Fabry disease is; if not, all have the network's mean.
    label_shift: bool = True
    # Hospitals differ in their patients: steps of asthma, markers, ages.
    covariate_shift: bool = True
    # Hospitals differ in what a code means: rule-out coding, coarse codes.
    concept_shift: bool = True
    # Some hospitals never do some tests.
    missing_blocks: bool = True
    # Hospitals report in units of their own, and sometimes in a wrong one.
    unit_errors: bool = True
    # KCD changes its edition, and the epidemic of 2020-21 changes visits, tests and attacks.
    temporal_shift: bool = True
    duplicate_rows: bool = True
    # The share of persons who are patients of a second hospital of the network.
    shared_patients: float = 0.03
    # Hospitals that dropped out.
    absent_hospitals: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.preset not in parameters("network")["presets"]:
            raise ConfigError(f"there is no preset {self.preset!r}")
        if not 0 < self.scale <= 1000:
            raise ConfigError("the scale of a simulation must be above 0 and at most 1000")
        if self.seed < 0:
            raise ConfigError("the seed of a simulation must not be negative")
        if not 0 <= self.shared_patients < 1:
            raise ConfigError("the share of shared patients must be at least 0 and below 1")
        unknown = set(self.absent_hospitals) - set(HOSPITALS)
        if unknown:
            raise ConfigError(f"there is no hospital {', '.join(sorted(unknown))}")

    @classmethod
    def identifiable(
        cls, preset: Preset = "demo", scale: float = 1.0, seed: int = 20260701
    ) -> World:
        """Return the world in which every assumption of an estimator holds.

        No unmeasured confounder, treatment by what is recorded, everything recorded rightly and
        inside the network, and drugs to choose from for everyone whom their joint rule allows.
        """
        return cls(
            preset=preset,
            scale=scale,
            seed=seed,
            unmeasured_confounder=False,
            assignment="recorded",
            recording="perfect",
            outside_care=False,
            access="liberal_access",
            strict_rules=True,
            concept_shift=False,
            missing_blocks=False,
            unit_errors=False,
            duplicate_rows=False,
            shared_patients=0.0,
        )

    @property
    def start(self) -> date:
        """The first day of records."""
        return date.fromisoformat(self._preset["start"])

    @property
    def end(self) -> date:
        """The day after the last day of records."""
        return date.fromisoformat(self._preset["end"])

    @property
    def hospitals(self) -> tuple[str, ...]:
        """The hospitals that take part."""
        return tuple(name for name in HOSPITALS if name not in self.absent_hospitals)

    def persons(self, hospital: str) -> int:
        """Return how many persons `hospital` has: the preset's number times the scale, or 1."""
        persons: int = self._preset["persons"][hospital]
        return max(1, round(persons * self.scale))

    def fabry_carriers(self, hospital: str) -> float:
        """Return the share of persons at `hospital` who carry a pathogenic GLA variant."""
        shares = self._preset["fabry_per_100k"]
        if self.label_shift:
            return float(shares[hospital]) / 100_000
        persons = self._preset["persons"]
        total = sum(shares[name] * persons[name] for name in HOSPITALS)
        return float(total / sum(persons.values())) / 100_000

    def chunks(self, hospital: str | None = None) -> Iterator[Chunk]:
        """Yield the chunks of `hospital`, or of all hospitals that take part, in a fixed order."""
        for name in self.hospitals if hospital is None else (hospital,):
            persons = self.persons(name)
            for number, first in enumerate(range(0, persons, CHUNK_PERSONS)):
                yield Chunk(name, number, min(CHUNK_PERSONS, persons - first))

    def generator(self, chunk: Chunk, purpose: str) -> np.random.Generator:
        """Return the random numbers of `chunk` for one `purpose`, the same whenever it is called.

        Each purpose ("population", "background", ...) has its own stream: a part of the simulation
        that draws more numbers than before does not change the others.
        """
        place = HOSPITALS.index(chunk.hospital)
        key = (place, chunk.number, zlib.crc32(purpose.encode()))
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))

    @property
    def _preset(self) -> Parameters:
        preset: Parameters = parameters("network")["presets"][self.preset]
        return preset


def epidemic() -> tuple[int, int]:
    """Return the first day of the epidemic of 2020-21 and the day after its last, since 1970."""
    shift = parameters("network")["temporal_shift"]
    begin, end = (date.fromisoformat(shift[key]) for key in ("covid_start", "covid_end"))
    return day_number(begin), day_number(end)


def by_hospital(values: Mapping[str, float], hospital: Ints) -> Floats:
    """Return the value of each one's hospital, a place in HOSPITALS."""
    return np.array([values[name] for name in HOSPITALS], np.float64)[hospital]


def rates_by_hospital(rate: str, hospital: Ints) -> Floats:
    """Return the rate of each one's hospital, as `hospital_parameters` names it."""
    return by_hospital({name: hospital_parameters(name)[rate] for name in HOSPITALS}, hospital)


def hospital_parameters(hospital: str) -> Parameters:
    """Return the rates of `hospital`: testing, coding, awareness of Fabry disease, ...

    Raises ConfigError when there is no such hospital.
    """
    hospitals = parameters("network")["hospitals"]
    if hospital not in HOSPITALS:
        raise ConfigError(f"there is no hospital {hospital!r}")
    rates: Parameters = hospitals[hospital]
    return rates
