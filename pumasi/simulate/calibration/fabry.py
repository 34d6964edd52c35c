"""Calibration of Fabry disease at the level of lives: what is simulated, beside the targets.

Three samples. *Natures*: carriers of each group from birth, never treated: survival and events, and
kidneys in the mix of classic and late that is diagnosed. *Patients*: carriers among patients of the
four hospitals, weighted as in the preset `realistic`: who is diagnosed, when, and with what.
*Others*: patients without a variant, for the share of carriers among those who pass a gate. Errors
are Monte Carlo errors over ten parts of each sample.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pumasi.simulate.background import Morbidity, deaths_of, morbidity_of
from pumasi.simulate.calibration.targets import Result, Target, as_markdown, point
from pumasi.simulate.columns import NEVER, YEAR_DAYS, Days, Flags, Floats, day_number
from pumasi.simulate.fabry import course, nature_of, untreated_slope, value_at
from pumasi.simulate.fabry_diagnosis import carriers_of
from pumasi.simulate.population import CARRIERS, People, persons_of
from pumasi.simulate.world import CHUNK_PERSONS, HOSPITALS, Chunk, World

PARTS = 10
# The share of the classic kind among diagnosed men and women: who a registry is made of.
CLASSIC = {"M": 0.57, "F": 0.67}
# The registry of ESKD is of adults whose mean age is near 43: so are the diagnosed below 55 here.
REGISTRY_OLDEST = 55.0
GATES = ("lvh", "dialysis", "young_stroke")

Estimates = dict[str, float]
Columns = dict[str, npt.NDArray[np.generic]]


TARGETS: dict[str, Target] = {
    "delay_all": Target("delay from symptom to diagnosis, median, years", 13, 17, "4.5"),
    "delay_M": point("the same, men", 13.7, "V F3, 12.2 in F2"),
    "delay_F": point("the same, women", 16.3, "V F3, 12.4 in F2"),
    "misdiagnosed": point("diagnosed who had a wrong diagnosis before", 0.25, "V F3"),
    "men_per_woman": point("diagnosed men per diagnosed woman", 1.1, "V F8: 120 to 108"),
    "eskd_M": point("ESKD, diagnosed men of 18-54", 0.14, "G Ortiz 2010, registry"),
    "eskd_F": point("ESKD, diagnosed women of 18-54", 0.02, "G Ortiz 2010, registry"),
    "gate_lvh": Target("carriers among LVH or HCM", 0.005, 0.016, "V F5, F7, F17"),
    "gate_dialysis": Target("carriers among patients on dialysis", 0.001, 0.0025, "V F5, F6"),
    "gate_young_stroke": Target("carriers among stroke or TIA < 55", 0.001, 0.005, "V F5, F17"),
    "slope_M_heavy": point("untreated slope, classic men with UPCR > 1.5 g/g", -5.6, "V F9"),
    "slope_F_heavy": point("untreated slope, women with UPCR > 1.2 g/g", -1.3, "V F9"),
    "slope_M": point("untreated slope, men", -3.0, "G Schiffmann 2009"),
    "slope_F": point("untreated slope, women", -1.0, "G Schiffmann 2009"),
    "losing_M": point("men who lose > 1 mL/min/1.73 m2 a year", 0.71, "V F9"),
    "losing_F": point("women who lose > 1 mL/min/1.73 m2 a year", 0.39, "V F9"),
    **{
        f"survival_{name}": point(f"untreated survival, median, {name}", value, source)
        for name, value, source in zip(
            CARRIERS, (58, 70, 75, 79), ("G Waldek", "A", "G Waldek", "A"), strict=True
        )
    },
    **{
        f"mace_{name}": point(f"MACE a 1,000 years after 15, untreated, {name}", value, source)
        for name, value, source in zip(
            CARRIERS, (11.0, 5.9, 4.4, 0.8), ("V F11", "V F11", "V F11", "V F11: 0, A"), strict=True
        )
    },
    "stroke_M": Target("stroke or TIA before stop, diagnosed men", 0.20, 0.25, "G", "beside"),
    "stroke_F": Target("stroke or TIA before stop, diagnosed women", 0.15, 0.20, "G", "beside"),
    "age_M": Target("age at diagnosis, median, men", 23, 23, "V F4 registry", "beside"),
    "age_F": Target("age at diagnosis, median, women", 32, 32, "V F4 registry", "beside"),
    "symptom_M": Target("age at first symptom, diagnosed men", 9, 9, "V F4 registry", "beside"),
    "symptom_F": Target("age at first symptom, diagnosed women", 13, 13, "V F4 registry", "beside"),
    "classic_M": Target("classic among diagnosed men", CLASSIC["M"], CLASSIC["M"], "-", "beside"),
    "classic_F": Target("classic among diagnosed women", CLASSIC["F"], CLASSIC["F"], "-", "beside"),
    "known_M": Target("carriers who are diagnosed, men", 0, 1, "-", "beside"),
    "known_F": Target("carriers who are diagnosed, women", 0, 1, "-", "beside"),
}


@dataclass(frozen=True)
class Crowded(World):
    """The realistic world, with a fifth of all patients carriers: enough of each group."""

    def fabry_carriers(self, hospital: str) -> float:
        """Return the same fifth for every hospital."""
        return 0.2


def calibrate(size: int) -> dict[str, Result]:
    """Return all results with at least `size` carriers of each group in each sample."""
    natures = _parts(natures_of, size)
    # Men of one kind are 3 % of patients here: a third times 45 % of a fifth.
    patients = _parts(patients_of, -(-size // PARTS) * PARTS)
    whole = {**_of_natures(_joined(natures)), **_of_patients(_joined(patients))}
    by_part = [
        {**_of_natures(nature), **_of_patients(patient)}
        for nature, patient in zip(natures, patients, strict=True)
    ]
    others = _joined([others_of(part) for part in range(2)])
    whole |= _gates(_joined(patients), others)
    for part, patient in zip(by_part, patients, strict=True):
        part |= _gates(patient, others)
    errors = {
        name: float(np.std([part[name] for part in by_part], ddof=1) / np.sqrt(PARTS))
        for name in whole
    }
    return {name: Result(TARGETS[name], whole[name], errors[name]) for name in TARGETS}


def _parts(make: Callable[[int, int], Columns], size: int) -> list[Columns]:
    return [make(part, -(-size // PARTS)) for part in range(PARTS)]


def _joined(parts: list[Columns]) -> Columns:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def natures_of(part: int, size: int) -> Columns:
    """Return `size` carriers of each group from birth, one row each, nobody treated."""
    found = []
    for group in range(len(CARRIERS)):
        draw = np.random.default_rng(np.random.SeedSequence(4, spawn_key=(part, group)))
        nature = nature_of(draw, np.full(size, group))
        natural = course(nature)
        # The ages of a registry of adults.
        age = np.clip(draw.normal(40, 12, size), 18, 75)
        who = np.arange(size)
        upcr = value_at(natural.upcr, age, who)
        found.append(
            {
                "group": nature.group,
                "death": natural.death,
                "mace": natural.mace,
                "upcr": upcr,
                "slope": untreated_slope(nature, upcr),
                # Untreated kidneys that are measured: alive, not on dialysis, losing already.
                "measured": (natural.death > age)
                & (natural.eskd > age)
                & (nature.slope_start <= age),
            }
        )
    return _joined(found)


def patients_of(part: int, size: int) -> Columns:
    """Return carriers among patients, one row each, at least `size` of each group.

    The weight of a row is how many such carriers of its hospital `realistic` has.
    """
    world, realistic = Crowded(preset="realistic", seed=part), World(preset="realistic")
    found: list[Columns] = []
    for hospital in HOSPITALS:
        true = realistic.persons(hospital) * realistic.fabry_carriers(hospital)
        parts = []
        rarest, number = 0, 0
        while rarest < -(-size // len(HOSPITALS)):
            chunk = Chunk(hospital, number, CHUNK_PERSONS)
            parts.append(_patients(world, chunk))
            rarest = min(
                int(sum(np.count_nonzero(p["group"] == group) for p in parts))
                for group in range(len(CARRIERS))
            )
            number += 1
        columns = _joined(parts)
        columns["weight"] = np.full(len(columns["group"]), true / len(columns["group"]))
        found.append(columns)
    return _joined(found)


def _patients(world: World, chunk: Chunk) -> Columns:
    people = People.of(persons_of(chunk, world))
    found = carriers_of(world.generator(chunk, "fabry"), people, chunk.hospital, world)
    stop, stroke = found.stop, found.lived.stroke
    return {
        "group": found.nature.group,
        "symptom": found.symptom,
        "diagnosis": found.diagnosis,
        "wrong": np.isfinite(found.misdiagnosed),
        "stop": stop,
        "eskd": found.lived.eskd < stop,
        "stroke": stroke < stop,
        "lvh": found.nature.of("lvh") < stop,
        "dialysis": found.lived.eskd < stop,
        "young_stroke": stroke < np.minimum(stop, 55),
    }


def others_of(part: int, chunks: int = 3) -> Columns:
    """Return whether patients without a variant pass each gate, one row each, and their weight."""
    world = World(preset="realistic", seed=1000 + part)
    found = []
    for hospital in HOSPITALS:
        for number in range(chunks):
            chunk = Chunk(hospital, number, CHUNK_PERSONS)
            draw = world.generator(chunk, "background")
            people = People.of(persons_of(chunk, world))
            morbidity = morbidity_of(draw, people)
            people = replace(people, death=deaths_of(draw, people, morbidity, world))
            passed = _passed(people, morbidity, day_number(world.end))
            rows = len(people.person)
            weight = world.persons(hospital) / rows / chunks
            found.append({**passed, "weight": np.full(rows, weight)})
    columns = _joined(found)
    # Every part stands for all persons.
    columns["weight"] = columns["weight"].astype(np.float64) / 2
    return columns


def _passed(people: People, morbidity: Morbidity, end: int) -> Columns:
    stop = np.minimum(people.death, end)
    young = np.minimum(stop, (people.birth + 55 * YEAR_DAYS).astype(np.int32))
    strokes: Days = np.minimum(morbidity.of("stroke"), morbidity.of("tia"))
    return {
        "lvh": np.minimum(morbidity.of("lvh"), morbidity.of("hcm")) < stop,
        "dialysis": morbidity.of("eskd") < stop,
        "young_stroke": (strokes < young) & (strokes < NEVER),
    }


def _gates(patients: Columns, others: Columns) -> Estimates:
    found = {}
    parts = {"of": patients["weight"], "all": others["weight"]}
    # The weights of several parts add up to as many times the hospitals' carriers.
    scale = _realistic_carriers() / float(np.sum(parts["of"]))
    for gate in GATES:
        carriers = float(np.sum(parts["of"] * patients[gate])) * scale  # type: ignore[operator]
        rest = float(np.sum(parts["all"] * others[gate]))  # type: ignore[operator]
        found[f"gate_{gate}"] = carriers / (carriers + rest)
    return found


def _realistic_carriers() -> float:
    world = World(preset="realistic")
    return sum(world.persons(h) * world.fabry_carriers(h) for h in HOSPITALS)


def _of_patients(rows: Columns) -> Estimates:
    diagnosis, symptom = _floats(rows, "diagnosis"), _floats(rows, "symptom")
    weight, stop = _floats(rows, "weight"), _floats(rows, "stop")
    known = np.isfinite(diagnosis)
    found: Estimates = {}
    # A relative who is found before any symptom has no delay.
    late = known & (symptom < diagnosis)
    found["delay_all"] = _median((diagnosis[late] - symptom[late]), weight[late])
    for sex, places in (("M", (0, 1)), ("F", (2, 3))):
        of_sex = np.isin(_floats(rows, "group"), places)
        classic = _floats(rows, "group") == places[0]
        found[f"classic_{sex}"] = _share(classic, known & of_sex, weight)
    found["misdiagnosed"] = _share(rows["wrong"], known, weight)
    men = _floats(rows, "group") < 2
    for sex, chosen in (("M", men), ("F", ~men)):
        here = late & chosen
        found[f"delay_{sex}"] = _median(diagnosis[here] - symptom[here], weight[here])
        adult = known & chosen & (stop >= 18) & (stop < REGISTRY_OLDEST)
        found[f"eskd_{sex}"] = _share(rows["eskd"], adult, weight)
        found[f"stroke_{sex}"] = _share(rows["stroke"], known & chosen, weight)
        found[f"age_{sex}"] = _median(diagnosis[known & chosen], weight[known & chosen])
        found[f"symptom_{sex}"] = _median(symptom[known & chosen], weight[known & chosen])
        found[f"known_{sex}"] = _share(known, chosen, weight)
    found["men_per_woman"] = float(weight[known & men].sum() / weight[known & ~men].sum())
    return found


def _of_natures(rows: Columns) -> Estimates:
    group, death, mace = (_floats(rows, name) for name in ("group", "death", "mace"))
    slope, upcr = _floats(rows, "slope"), _floats(rows, "upcr")
    measured: Flags = rows["measured"].astype(np.bool_)
    found: Estimates = {}
    for place, name in enumerate(CARRIERS):
        own = group == place
        found[f"survival_{name}"] = float(np.median(death[own]))
        stop = np.minimum(np.minimum(mace, death), 100.0)[own]
        years = np.maximum(stop - 15, 0).sum()
        happens = mace[own] < np.minimum(death[own], 100.0)
        found[f"mace_{name}"] = float(1000 * happens.sum() / years)
    classic = group % 2 == 0
    for sex, chosen in (("M", group < 2), ("F", group >= 2)):
        here = measured & chosen
        weight = np.where(classic, CLASSIC[sex], 1 - CLASSIC[sex])
        found[f"slope_{sex}"] = _share(slope, here, weight)
        found[f"losing_{sex}"] = _share(slope < -1, here, weight)
        heavy = here & classic & (upcr > 1.5) if sex == "M" else here & (upcr > 1.2)
        found[f"slope_{sex}_heavy"] = _share(slope, heavy, weight)
    return found


def _floats(rows: Columns, name: str) -> Floats:
    return rows[name].astype(np.float64)


def _median(values: Floats, weight: Floats) -> float:
    order = np.argsort(values)
    total = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])


def _share(happens: npt.NDArray[np.generic], chosen: Flags, weight: Floats) -> float:
    return float(np.average(happens[chosen].astype(np.float64), weights=weight[chosen]))


if __name__ == "__main__":
    carriers = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    sys.stdout.write(as_markdown(calibrate(carriers)))
