"""How hospitals treat and test asthma in the simulated lives, beside the ranges of clinical.md 3.8.

One year of each hospital's asthmatics, well after the pandemic: whoever is a patient in all of it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np

from pumasi.simulate.asthma_course import Course, Setting, live, luck_of, setting_of
from pumasi.simulate.asthma_rate import DRUGS
from pumasi.simulate.asthma_tables import KEPT
from pumasi.simulate.asthma_traits import Traits, traits_of
from pumasi.simulate.parameters import parameters
from pumasi.simulate.population import persons_of
from pumasi.simulate.world import CHUNK_PERSONS, HOSPITALS, Chunk, World

YEAR = 12


@dataclass(frozen=True)
class Range:
    """What clinical.md 3.8 says of three kinds of hospital; None where it says nothing."""

    quantity: str
    tertiary: tuple[float, float] | None
    general: tuple[float, float] | None
    clinics: tuple[float, float] | None

    def of(self, hospital: str) -> tuple[float, float] | None:
        """Return the range for `hospital`."""
        kinds = {"sup": self.general, "deul": self.clinics}
        return kinds.get(hospital, self.tertiary)


RANGES = {
    "step_5": Range("at step 5", (0.15, 0.25), (0.05, 0.08), (0.01, 0.02)),
    "ics": Range("inhaled steroid prescribed", (0.75, 0.90), (0.45, 0.60), (0.18, 0.20)),
    "pft": Range("lung function tested", (0.685, 0.927), (0.50, 0.60), (0.145, 0.197)),
    "feno": Range("FeNO tested", (0.30, 0.45), (0.05, 0.10), (0.0, 0.01)),
    "eos": Range("eosinophils counted", (0.75, 0.85), (0.50, 0.60), (0.10, 0.15)),
    "saba_3": Range("3 salbutamol canisters or more", None, None, (0.02, 0.04)),
    "saba": Range("any salbutamol", None, None, (0.08, 0.11)),
}


def practice(world: World, hospital: str, chunks: int = 4) -> dict[str, float]:
    """Return the shares of RANGES among asthmatics of `hospital`, and starts per 1,000 years."""
    numbers = parameters("asthma")
    found = []
    for number in range(chunks):
        chunk = Chunk(hospital, number, CHUNK_PERSONS)
        draw = world.generator(chunk, "asthma")
        setting = setting_of(world, numbers)
        traits = traits_of(persons_of(chunk, world), numbers, world, draw)
        luck = luck_of(setting, len(traits), draw)
        found.append(_shares(setting, traits, live(setting, traits, luck, KEPT)))
    return {name: float(np.mean([shares[name] for shares in found])) for name in found[0]}


def _shares(setting: Setting, traits: Traits, course: Course) -> dict[str, float]:
    year = slice(setting.months - 2 * YEAR, setting.months - YEAR)
    lived = {name: values[year] for name, values in course.lived.items()}
    here = lived["active"].all(axis=0)

    def ever(mask: np.ndarray) -> float:
        return float(mask[:, here].any(axis=0).mean())

    canisters = lived["saba"][:, here].sum(axis=0)
    starts = np.bincount(course.decisions.get("drug", np.zeros(0, np.int64)), minlength=7)
    years = course.lived["active"].sum() / YEAR
    return {
        "step_5": float((lived["step"][-1, here] == 5).mean()),
        "ics": ever(lived["ics"] & lived["refill"]),
        "pft": ever(lived["done_fev1"]),
        "feno": ever(lived["done_feno"]),
        "eos": ever(lived["done_eosinophils"]),
        "saba_3": float((canisters >= 3).mean()),
        "saba": float((canisters >= 1).mean()),
        "ltra": ever(lived["ltra"] & lived["refill"]),
        "xanthine": ever(lived["xanthine"] & lived["refill"]),
        "systemic": ever(lived["attack"] | lived["ocs"]),
        "ocs_step_5": float(lived["ocs"][:, here][lived["step"][:, here] == 5].mean()),
        **{f"starts_{drug}": 1000 * starts[1 + k] / years for k, drug in enumerate(DRUGS)},
    }


def as_markdown(world: World) -> str:
    """Return the table for the documents: one row per quantity, one column per hospital."""
    found = {hospital: practice(world, hospital) for hospital in HOSPITALS}
    lines = [
        "| in 12 months | " + " | ".join(HOSPITALS) + " |",
        "|---|" + "---|" * len(HOSPITALS),
    ]
    for name in found["haneul"]:
        cells = []
        for hospital in HOSPITALS:
            text = f"{found[hospital][name]:.3g}"
            wanted = RANGES[name].of(hospital) if name in RANGES else None
            if wanted is not None:
                text += f" ({wanted[0]:g}-{wanted[1]:g})"
            cells.append(text)
        quantity = RANGES[name].quantity if name in RANGES else name.replace("_", " ")
        lines.append(f"| {quantity} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(as_markdown(World()))
