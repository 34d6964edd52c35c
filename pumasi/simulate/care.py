"""Ordinary care: the visits, prescriptions and tests that background morbidity brings.

A person's visits in a year are Poisson with a rate that grows with age and with what is recognised.
The reason of a visit is one of the active conditions or something acute. Prescriptions are refilled
at visits, tests are ordered by panel and by reason. Everything happens from entry to death.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pumasi.simulate.background import Events, Morbidity, acute_conditions, blocks_of, years_of
from pumasi.simulate.columns import (
    YEAR_DAYS,
    Days,
    Flags,
    Floats,
    Ints,
    day_number,
    table_of,
    word,
    words,
)
from pumasi.simulate.kidney import creatinine_of
from pumasi.simulate.parameters import Parameters, parameters
from pumasi.simulate.population import People
from pumasi.simulate.world import World, epidemic

SPECIALTIES = (
    "general",
    "pulmonology",
    "allergy",
    "nephrology",
    "cardiology",
    "neurology",
    "genetics",
    "paediatrics",
    "dermatology",
    "ophthalmology",
    "rheumatology",
)
KINDS = ("outpatient", "emergency", "inpatient")
# A child's visit is the paediatrician's, whatever the reason.
ADULT = 15.0


@dataclass(frozen=True)
class Visits:
    """Visits ordered by person and day: the person's row, the day, and places in lists of words."""

    reasons: tuple[str, ...]
    row: Ints
    day: Days
    kind: npt.NDArray[np.int8]
    days: npt.NDArray[np.int16]
    specialty: npt.NDArray[np.int8]
    reason: npt.NDArray[np.int16]

    def table(self, people: People) -> pa.Table:
        """Return the table `visits` of a life."""
        return table_of(
            "visits",
            {
                "person": people.person[self.row],
                "date": self.day,
                "kind": words(self.kind, KINDS),
                "days": self.days,
                "specialty": words(self.specialty, SPECIALTIES),
                "reason": words(self.reason, self.reasons),
            },
        )


def visits_of(
    draw: np.random.Generator,
    people: People,
    morbidity: Morbidity,
    events: Events,
    hospital: str,
    world: World,
) -> Visits:
    """Return the visits of `people` to `hospital`, those for acute events among them."""
    conditions, acute = blocks_of("conditions"), blocks_of("acute_reasons")
    reasons = tuple(dict.fromkeys((*conditions, *acute, *blocks_of("events"))))
    reason_of = acute_conditions()
    row, day = _ordinary(draw, people, morbidity, hospital, world)
    reason, sudden = _reasons(draw, morbidity, row, day, reasons)
    kind = np.zeros(len(row), np.int8)
    rush = draw.random(len(row)) < parameters("background")["care"]["p_emergency_if_acute"]
    kind[sudden & rush] = KINDS.index("emergency")
    event_kind, event_days = _event_stays(draw, events)
    event_places = [reasons.index(reason_of.get(name, name)) for name in events.names]
    event_reason = np.array(event_places)[events.event]
    row = np.concatenate([row, events.row])
    day = np.concatenate([day, events.day]).astype(np.int32)
    reason = np.concatenate([reason, event_reason]).astype(np.int16)
    kind = np.concatenate([kind, event_kind])
    days = np.concatenate([np.zeros(len(sudden), np.int16), event_days])
    order = np.lexsort((reason, day, row))
    row, day, reason = row[order], day[order], reason[order]
    specialty = np.array([SPECIALTIES.index(_specialty(name)) for name in reasons], np.int8)[reason]
    child = (day - people.birth[row]) < ADULT * YEAR_DAYS
    specialty[child] = SPECIALTIES.index("paediatrics")
    return Visits(reasons, row, day, kind[order], days[order], specialty, reason)


def treatments_of(
    draw: np.random.Generator, people: People, morbidity: Morbidity, visits: Visits
) -> pa.Table:
    """Return the table `treatments` of background drugs: one row per drug and visit."""
    care = parameters("background")["care"]
    supply = draw.choice(care["days_supply"], len(visits.row), p=care["p_days_supply"])
    names: list[str] = []
    parts: list[tuple[Ints, int, npt.NDArray[np.integer], float]] = []
    for name, condition in blocks_of("conditions").items():
        if not condition["drugs"]:
            continue
        recognised = morbidity.recognised[morbidity.names.index(name)]
        active = np.flatnonzero(recognised[visits.row] <= visits.day)
        for drug, share, dose in condition["drugs"]:
            takes = draw.random(len(people.person)) < share
            refilled = draw.random(len(active), np.float32) < care["p_refill"]
            at = active[takes[visits.row[active]] & refilled]
            parts.append((at, _place(drug, names), supply[at], dose))
    for reason, block in _short_courses():
        at_reason = np.flatnonzero(visits.reason == visits.reasons.index(reason))
        for drug, share, dose, length in block:
            at = at_reason[draw.random(len(at_reason)) < share]
            parts.append((at, _place(drug, names), np.full(len(at), length), dose))
    at = np.concatenate([part[0] for part in parts])
    place = np.concatenate([np.full(len(a), p, np.int16) for a, p, _, _ in parts])
    days = np.concatenate([part[2] for part in parts]).astype(np.int16)
    dose = np.concatenate([np.full(len(a), d) for a, _, _, d in parts])
    at, place, kept = _first_of_each(at, place, len(names))
    return table_of(
        "treatments",
        {
            "person": people.person[visits.row[at]],
            "drug": words(place, names),
            "start_date": visits.day[at],
            "days_supply": days[kept],
            "quantity": days[kept].astype(np.float64),
            "dose": dose[kept],
            "route": word("oral", len(at)),
        },
    )


def labs_of(
    draw: np.random.Generator,
    people: People,
    morbidity: Morbidity,
    visits: Visits,
    hospital: str,
) -> pa.Table:
    """Return the table `tests` of common labs, blood pressure and hearts: those that were done."""
    excepted = set(blocks_of("exceptions")["carrier_tests"])
    parts: list[tuple[str, Ints, Floats]] = []
    for test, ordered in _orders(draw, visits, hospital).items():
        at = np.flatnonzero(ordered)
        if test in excepted:
            at = at[~people.carrier[visits.row[at]]]
        if test == "eosinophils":
            at = at[~people.asthma[visits.row[at]]]
        parts.append((test, at, _values(draw, test, people, morbidity, visits, at)))
    parts += _hearts(draw, people, morbidity, visits)
    names = [name for name, _, _ in parts]
    at = np.concatenate([at for _, at, _ in parts])
    place = np.concatenate([np.full(len(a), p, np.int16) for p, (_, a, _) in enumerate(parts)])
    value = np.concatenate([values for _, _, values in parts])
    order = np.lexsort((place, at))
    at = at[order]
    return table_of(
        "tests",
        {
            "person": people.person[visits.row[at]],
            "date": visits.day[at],
            "test": words(place[order], names),
            "value": value[order],
            "value_term": None,
            "done": np.ones(len(at), np.bool_),
        },
    )


def _ordinary(
    draw: np.random.Generator, people: People, morbidity: Morbidity, hospital: str, world: World
) -> tuple[Ints, Days]:
    """Return row and day of the visits that are not for an acute event, a year after the other."""
    care, conditions = parameters("background")["care"], blocks_of("conditions")
    variance = care["utilisation_gamma_variance"]
    often = draw.gamma(1 / variance, variance, len(people.person))
    often = often * care["hospital_visit_factor"][hospital]
    stop = np.minimum(people.death, day_number(world.end))
    rows, days = [], []
    for first, last in years_of(world):
        begin, end = np.maximum(people.entry, first), np.minimum(stop, last)
        length = np.maximum(end - begin, 0)
        middle = (first + last) // 2
        burden = np.zeros(len(often))
        for place, condition in enumerate(conditions.values()):
            burden += condition["visits"] * (morbidity.recognised[place] <= middle)
        age = (middle - people.birth) / YEAR_DAYS
        base = care["base_visits_per_year"] * care["per_age_decade"] ** (age / 10)
        base = base * np.where(age < ADULT, care["child_factor"], 1.0)
        rate = (base + burden ** care["sum_power"]) * often * _epidemic(first, last, world)
        row = np.repeat(np.arange(len(often)), draw.poisson(rate * length / YEAR_DAYS))
        rows.append(row)
        days.append(begin[row] + (draw.random(len(row)) * length[row]).astype(np.int32))
    return np.concatenate(rows), np.concatenate(days).astype(np.int32)


def _epidemic(first: int, last: int, world: World) -> float:
    """Return the factor of visits in the days [first, last): the epidemic's share of them."""
    if not world.temporal_shift:
        return 1.0
    shift = parameters("network")["temporal_shift"]
    begin, end = epidemic()
    share = max(0, min(last, end) - max(first, begin)) / (last - first)
    return float(1 + share * (shift["visits"] - 1))


def _reasons(
    draw: np.random.Generator,
    morbidity: Morbidity,
    row: Ints,
    day: Days,
    reasons: tuple[str, ...],
) -> tuple[npt.NDArray[np.int16], Flags]:
    """Return the reason of each visit and whether it is acute.

    One pass over the conditions: each active one takes the place of what stands there with its
    share of the weight so far, so that in the end each has its share of the whole.
    """
    acute = blocks_of("acute_reasons")
    shares = np.array([block["w"] for block in acute.values()])
    places = np.array([reasons.index(name) for name in acute], np.int16)
    reason = places[draw.choice(len(acute), len(row), p=shares / shares.sum())]
    weight = np.full(len(row), parameters("background")["care"]["acute_weight"], np.float32)
    sudden = np.ones(len(row), np.bool_)
    for place, (name, condition) in enumerate(blocks_of("conditions").items()):
        active = np.flatnonzero(morbidity.recognised[place][row] <= day)
        weight[active] += condition["visits"]
        share = condition["visits"] / weight[active]
        taken = active[draw.random(len(active), np.float32) < share]
        reason[taken] = reasons.index(name)
        sudden[taken] = False
    return reason, sudden


def _event_stays(
    draw: np.random.Generator, events: Events
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int16]]:
    """Return the kind of visit of each event, and its days: Poisson about the event's mean."""
    blocks, conditions = blocks_of("events"), blocks_of("conditions")
    acute = {event: conditions[name] for event, name in acute_conditions().items()}
    inpatient, emergency, mean = [], [], []
    for name in events.names:
        block: Parameters = acute.get(name) or blocks[name]
        certain = 1.0 if block.get("acute") == "inpatient" else 0.0
        inpatient.append(block.get("inpatient", certain))
        emergency.append(1.0 if block.get("acute") == "emergency" else 0.04)
        mean.append(block.get("days", 1))
    chance = draw.random(len(events.row))
    stays = chance < np.array(inpatient)[events.event]
    rushed = ~stays & (draw.random(len(chance)) < np.array(emergency)[events.event])
    kind = np.where(stays, KINDS.index("inpatient"), np.where(rushed, KINDS.index("emergency"), 0))
    days = np.where(stays, 1 + draw.poisson(np.array(mean)[events.event]), 0)
    return kind.astype(np.int8), days.astype(np.int16)


def _specialty(reason: str) -> str:
    blocks = (blocks_of(block) for block in ("conditions", "acute_reasons", "events"))
    return next(str(block[reason]["specialty"]) for block in blocks if reason in block)


def _short_courses() -> Iterator[tuple[str, list[tuple[str, float, float, int]]]]:
    """Yield the reasons that bring a course of drugs: name, share, dose and days of each."""
    for block in ("acute_reasons", "events"):
        for reason, entry in blocks_of(block).items():
            if entry.get("drugs"):
                yield reason, entry["drugs"]


def _place(name: str, names: list[str]) -> int:
    if name not in names:
        names.append(name)
    return names.index(name)


def _first_of_each(
    at: Ints, place: npt.NDArray[np.int16], count: int
) -> tuple[Ints, npt.NDArray[np.int16], Ints]:
    """Return visit and drug, ordered and each pair once, and where each stood."""
    key, kept = np.unique(at * count + place, return_index=True)
    return key // count, (key % count).astype(np.int16), kept


def _orders(draw: np.random.Generator, visits: Visits, hospital: str) -> dict[str, Flags]:
    """Return for each test the visits at which it is ordered: by panel, or by the reason."""
    panels = blocks_of("panels")
    factor = parameters("background")["care"]["hospital_test_factor"][hospital]
    # One throw for the panels: who has blood drawn has several values.
    drawn = draw.random(len(visits.row), np.float32)
    orders = {test: drawn < share * factor for test, share in panels.items()}
    for block in ("conditions", "events"):
        for name, entry in blocks_of(block).items():
            at = np.flatnonzero(visits.reason == visits.reasons.index(name))
            for test, share in entry.get("labs", ()):
                asked = at[draw.random(len(at), np.float32) < share * factor]
                orders.setdefault(test, np.zeros(len(drawn), np.bool_))[asked] = True
    # A differential count is made of a count.
    orders["wbc"] = orders["wbc"] | orders["eosinophils"]
    return orders


def _values(
    draw: np.random.Generator,
    test: str,
    people: People,
    morbidity: Morbidity,
    visits: Visits,
    at: Ints,
) -> Floats:
    """Return the true values of `test` at the visits `at`, in its canonical unit."""
    row, day = visits.row[at], visits.day[at]
    if test == "bmi":
        drift: Floats = people.bmi[row] + draw.normal(0, 0.5, len(at))
        return np.round(drift, 1)
    if test == "creatinine":
        return _creatinine(draw, people, morbidity, row, day)
    lab = parameters("background")["labs"][test]
    logarithmic = "log_median" in lab
    centre = np.log(lab["log_median"]) if logarithmic else lab["mean"]
    spread = lab["log_sd"] if logarithmic else lab["sd"]
    # Two thirds of the variance between persons, one third from day to day.
    own = draw.normal(0, spread * np.sqrt(2 / 3), len(people.person))
    value = centre + own[row] + draw.normal(0, spread * np.sqrt(1 / 3), len(at))
    value += np.where(people.female[row], lab.get("female", 0.0), 0.0)
    value += _shift(test, morbidity, visits, at)
    value = np.exp(value) if logarithmic else value
    clipped: Floats = np.clip(value, lab["low"], lab["high"])
    return np.round(clipped, 1)


def _shift(test: str, morbidity: Morbidity, visits: Visits, at: Ints) -> Floats:
    """Return what conditions that have begun, or the visit's own acute reason, add to a value."""
    total = np.zeros(len(at))
    for name, shifts in blocks_of("lab_shifts").items():
        if test not in shifts:
            continue
        if name in morbidity.names:
            ill = morbidity.of(name)[visits.row[at]] <= visits.day[at]
        else:
            ill = visits.reason[at] == visits.reasons.index(name)
        total += np.where(ill, shifts[test], 0.0)
    return total


def _creatinine(
    draw: np.random.Generator, people: People, morbidity: Morbidity, row: Ints, day: Days
) -> Floats:
    block = parameters("background")["kidney"]
    own = draw.normal(0, block["sd"], len(people.person))
    age = (day - people.birth[row]) / YEAR_DAYS
    loss = block["loss_per_year_after_30"]
    egfr = block["egfr_at_20"] + own[row] - loss * np.maximum(age - 30, 0)
    since = (day - morbidity.of("ckd")[row]) / YEAR_DAYS
    ill = block["ckd_egfr_at_onset"] - block["ckd_loss_per_year"] * since + own[row] / 3
    egfr = np.where(since >= 0, np.minimum(egfr, ill), egfr)
    egfr = np.where(morbidity.of("eskd")[row] <= day, np.minimum(egfr, 10 + own[row] / 6), egfr)
    egfr = np.maximum(egfr, block["egfr_min"])
    value = creatinine_of(egfr, age, people.female[row])
    return np.round(value * np.exp(draw.normal(0, block["noise_sd"], len(value))), 2)


def _hearts(
    draw: np.random.Generator, people: People, morbidity: Morbidity, visits: Visits
) -> list[tuple[str, Ints, Floats]]:
    """Return echocardiography and the PR interval at part of the cardiologist's visits."""
    block: Parameters = parameters("background")["heart"]
    cardiology = visits.specialty == SPECIALTIES.index("cardiology")
    asked = draw.random(len(visits.row), np.float32) < block["echo_per_cardiology_visit"]
    at = np.flatnonzero(cardiology & asked & ~people.carrier[visits.row])
    row, day, mm = visits.row[at], visits.day[at], block["wall_mm"]
    z = draw.standard_normal(len(people.person))[row]
    ill: Mapping[str, Flags] = {
        name: morbidity.of(name)[row] <= day for name in ("hypertension", "lvh", "hcm")
    }
    normal = mm["normal"] + mm["sd"] * z + np.where(ill["hypertension"], mm["hypertension"], 0)
    wall = np.where(ill["lvh"], np.maximum(13, mm["lvh"] + mm["lvh_sd"] * z), normal)
    wall = np.where(ill["hcm"], np.maximum(15, mm["hcm"] + mm["hcm_sd"] * z), wall)
    wall = np.round(np.maximum(wall + draw.normal(0, 0.3, len(at)), 5), 1)
    lvmi = block["lvmi"]
    mass = np.where(people.female[row], lvmi["F"], lvmi["M"]) + draw.normal(0, lvmi["sd"], len(at))
    mass = np.round(np.maximum(mass + lvmi["per_mm"] * (wall - mm["normal"]), 35), 0)
    interval = np.round(np.clip(draw.normal(block["pr_mean"], block["pr_sd"], len(at)), 90, 320), 0)
    return [("wall_thickness", at, wall), ("lvmi", at, mass), ("pr_interval", at, interval)]
