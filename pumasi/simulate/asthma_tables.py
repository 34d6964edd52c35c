"""The tables of a life that asthma fills, made from the arrays of a course.

Terms only: codes belong to the record. Nothing lies after the end of the world or after a death.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pumasi.simulate.asthma_course import (
    ED,
    HOSPITAL,
    INJECTION,
    KINDS,
    OCS,
    Course,
    Setting,
)
from pumasi.simulate.asthma_rate import DRUGS
from pumasi.simulate.asthma_traits import Traits
from pumasi.simulate.columns import (
    NEVER,
    YEAR_DAYS,
    Days,
    Flags,
    Ints,
    dates,
    day_number,
    table_of,
    words,
)
from pumasi.simulate.parameters import Parameters
from pumasi.simulate.world import by_hospital

# What of each month the tables are made of.
KEPT = (
    "active", "day", "step", "eos", "feno", "fev1_pct", "pdc", "act", "ocs", "drug", "months_on",
    "rate", "rate_none", "p_start", "attack", "attack_day", "attack_end", "kind", "course",
    "fatal", "seen", "ics", "lama", "ltra", "xanthine", "mart", "refill", "saba", "visit",
    "conjunctivitis", "harm_osteoporosis", "harm_diabetes", "harm_pneumonia",
    "done_eosinophils", "done_feno", "done_fev1", "done_ige", "done_act",
    "value_eosinophils", "value_feno", "value_fev1", "value_ige", "value_wbc",
)  # fmt: skip

SUPPLY = 30
ROUTES = ("inhalation", "oral", "subcutaneous", "intravenous", "intramuscular")
INHALED, BY_MOUTH, UNDER_SKIN, IN_VEIN, IN_MUSCLE = range(len(ROUTES))
TREATMENTS = (
    "budesonide_formoterol", "fluticasone_salmeterol", "fluticasone_vilanterol", "budesonide",
    "tiotropium", "montelukast", "theophylline", "doxofylline", "salbutamol", "prednisolone",
    "methylprednisolone_injection", *DRUGS,
)  # fmt: skip
TESTED = (
    "eosinophils", "wbc", "feno", "fev1_pct", "fev1", "fev1_fvc", "ige", "allergen_test", "act",
)  # fmt: skip
SPECIALTIES = ("pulmonology", "allergy", "general", "paediatrics")
CONDITIONS = (
    "asthma", "allergic_rhinitis", "atopic_dermatitis", "nasal_polyp", "chronic_sinusitis", "gerd",
    "depression", "obesity", "osteoporosis", "diabetes",
)  # fmt: skip
EVENTS = ("conjunctivitis", "pneumonia")

_POSITIVE_NEGATIVE = ("positive", "negative")
_TABLET_MG = 5


def attacks_table(setting: Setting, traits: Traits, course: Course) -> tuple[pa.Table, pa.Table]:
    """Return the table `attacks`, and beside it (person, date, seen) in the same order."""
    lived = course.lived
    at = _within(setting, lived, lived["attack"])
    person, day = traits.person[at[1]], lived["attack_day"][at]
    attacks = table_of(
        "attacks",
        {
            "person": person,
            "date": day,
            "kind": words(lived["kind"][at], KINDS),
            "days": lived["course"][at].astype(np.int16),
            "fatal": lived["fatal"][at],
        },
    )
    seen = {"person": person, "date": dates(day), "seen": lived["seen"][at]}
    return attacks, pa.table(seen)


def treatments_table(setting: Setting, traits: Traits, course: Course) -> pa.Table:
    """Return the table `treatments`: refills, relievers, biologics, steroids."""
    parts = [
        *_controllers(setting.numbers, traits, course.lived),
        *_biologics(setting.numbers, course.lived),
        *_steroids(setting, traits, course.lived),
    ]
    person = np.concatenate([traits.person[part["who"]] for part in parts])
    columns: dict[str, Any] = {"person": person}
    for name in ("start_date", "days_supply", "quantity", "dose", "route", "drug"):
        columns[name] = np.concatenate(
            [np.broadcast_to(part[name], part["who"].shape) for part in parts]
        )
    columns["days_supply"] = columns["days_supply"].astype(np.int16)
    columns["drug"] = words(columns["drug"], TREATMENTS)
    columns["route"] = words(columns["route"], ROUTES)
    return _of_the_living("treatments", columns, traits, setting)


Part = dict[str, npt.NDArray[Any]]


def _part(
    drug: str, who: Ints, day: Days, *, days: Any, quantity: Any, dose: Any, route: int
) -> Part:
    return {
        "drug": np.asarray(TREATMENTS.index(drug)),
        "who": who,
        "start_date": day,
        "days_supply": np.asarray(days),
        "quantity": np.asarray(quantity, np.float64),
        "dose": np.asarray(dose, np.float64),
        "route": np.asarray(route),
    }


def _controllers(numbers: Parameters, traits: Traits, lived: Part) -> list[Part]:
    """Return the refills of inhalers and tablets: thirty days each."""
    doses, regimen = numbers["doses"], numbers["regimen"]
    mart, step = lived["mart"], lived["step"]
    combined = lived["ics"] & (step >= 3)
    # Vilanterol's inhaler has no medium dose of its own.
    once_daily = (traits.habit_device > 1 - regimen["vilanterol_share"]) & (step != 4)
    kind = np.where(mart, 0, np.where(once_daily, 2, 1))
    rows: list[tuple[str, Flags, Any, int]] = [
        ("budesonide", lived["ics"] & (step <= 2), doses["budesonide_ug"], INHALED),
        ("budesonide_formoterol", combined & (kind == 0), doses["budesonide_ug"], INHALED),
        (
            "fluticasone_salmeterol",
            combined & (kind == 1),
            doses["fluticasone_salmeterol_ug"],
            INHALED,
        ),
        (
            "fluticasone_vilanterol",
            combined & (kind == 2),
            doses["fluticasone_vilanterol_ug"],
            INHALED,
        ),
        ("tiotropium", lived["lama"], [doses["tiotropium_ug"]] * 5, INHALED),
        ("montelukast", lived["ltra"], [doses["montelukast_mg"]] * 5, BY_MOUTH),
    ]
    doxofylline = traits.habit_specialty < regimen["doxofylline_share"]
    for drug, takes in (("doxofylline", doxofylline), ("theophylline", ~doxofylline)):
        rows.append((drug, lived["xanthine"] & takes, [doses[f"{drug}_mg"]] * 5, BY_MOUTH))
    parts = []
    for drug, mask, by_step, route in rows:
        at = np.nonzero(mask & lived["refill"])
        dose = np.array(by_step, np.float64)[step[at] - 1]
        # An inhaler is a pack; of tablets there is one a day.
        packs = 1 if route == INHALED else SUPPLY
        day = lived["day"][at]
        parts.append(_part(drug, at[1], day, days=SUPPLY, quantity=packs, dose=dose, route=route))
    at = np.nonzero(lived["saba"])
    day = lived["day"][at]
    parts.append(_part("salbutamol", at[1], day, days=SUPPLY, quantity=1, dose=400, route=INHALED))
    return parts


def _biologics(numbers: Parameters, lived: Part) -> list[Part]:
    """Return the biologics: one row per administration, or per four weeks of dupilumab."""
    biologics = numbers["biologics"]
    parts = []
    for place, drug in enumerate(DRUGS, start=1):
        given = (lived["drug"] == place) & lived["active"]
        days = np.full(given.shape, biologics["interval_days"][drug])
        if drug == "benralizumab":
            loading = biologics["benralizumab_loading_months"]
            given &= (lived["months_on"] < loading) | (lived["months_on"] % 2 == 0)
            days = np.where(lived["months_on"] < loading - 1, days // 2, days)
        at = np.nonzero(given)
        dose = biologics["dose_mg"][drug] / days[at]
        route = IN_VEIN if biologics["route"].get(drug) == "intravenous" else UNDER_SKIN
        day = lived["day"][at]
        parts.append(_part(drug, at[1], day, days=days[at], quantity=1, dose=dose, route=route))
    return parts


def _steroids(setting: Setting, traits: Traits, lived: Part) -> list[Part]:
    """Return systemic steroids: maintenance, and what each attack is treated with."""
    doses = setting.numbers["doses"]
    burst, shot = doses["ocs_burst_mg"], doses["injection_mg"]
    at = np.nonzero(lived["ocs"])
    levels = np.array(doses["ocs_maintenance_mg"])
    own = levels[(traits.habit_device * len(levels)).astype(np.int64)]
    tablets = own[at[1]] * SUPPLY / _TABLET_MG
    parts = [
        _part(
            "prednisolone", at[1], lived["day"][at], days=SUPPLY, quantity=tablets,
            dose=own[at[1]], route=BY_MOUTH,
        )
    ]  # fmt: skip
    at = _within(setting, lived, lived["attack"])
    kind, day, stay, who = lived["kind"][at], lived["attack_day"][at], lived["course"][at], at[1]
    fatal = lived["fatal"][at]
    ill = [
        ("prednisolone", kind == OCS, day, stay, burst, BY_MOUTH),
        ("methylprednisolone_injection", kind == INJECTION, day, stay, shot, IN_MUSCLE),
        ("methylprednisolone_injection", kind == ED, day, stay, shot, IN_VEIN),
        ("prednisolone", kind == ED, day, np.full_like(stay, 7), burst, BY_MOUTH),
        (
            "methylprednisolone_injection", kind >= HOSPITAL, day, stay,
            doses["inpatient_injection_mg"], IN_VEIN,
        ),
        (
            "prednisolone", (kind >= HOSPITAL) & ~fatal, day + stay, np.full_like(stay, 7),
            burst, BY_MOUTH,
        ),
    ]  # fmt: skip
    for drug, mask, begin, length, dose, route in ill:
        days = length[mask]
        tablets = dose * days / _TABLET_MG if route == BY_MOUTH else days
        parts.append(
            _part(
                drug, who[mask], begin[mask].astype(np.int32), days=days, quantity=tablets,
                dose=dose, route=route,
            )
        )  # fmt: skip
    return parts


def tests_table(setting: Setting, traits: Traits, course: Course) -> pa.Table:
    """Return the table `tests`: only tests that were ordered, so `done` is always true."""
    lived = course.lived
    blood = np.nonzero(lived["done_eosinophils"])
    eos = np.clip(np.round(lived["value_eosinophils"][blood], -1), 0, None)
    # A differential count adds up: white cells are more than their eosinophils.
    # White cells are in thousands per uL, eosinophils in cells per uL.
    white = np.maximum(lived["value_wbc"][blood], np.maximum(2500, eos * 1.5)) / 1000
    lung = np.nonzero(lived["done_fev1"])
    percent = lived["value_fev1"][lung].astype(np.float64)
    litres = np.round(percent / 100 * traits.litres[lung[1]], 2)
    lungs = setting.numbers["fev1"]
    ratio = lungs["ratio_at_80_pct"] + lungs["ratio_per_pct"] * (percent - 80)
    breath = np.nonzero(lived["done_feno"])
    allergy = np.nonzero(lived["done_ige"])
    score = np.nonzero(lived["done_act"])
    first = np.unique(allergy[1], return_index=True)[1]
    skin = (allergy[0][first], allergy[1][first])
    parts: list[tuple[str, tuple[npt.NDArray[Any], ...], npt.NDArray[Any]]] = [
        ("eosinophils", blood, eos),
        ("wbc", blood, np.round(white, 2)),
        ("feno", breath, np.clip(np.round(lived["value_feno"][breath]), 5, 300)),
        ("fev1_pct", lung, np.round(percent, 1)),
        ("fev1", lung, litres),
        ("fev1_fvc", lung, np.round(np.clip(ratio, 0.3, 0.92), 3) * 100),
        ("ige", allergy, np.round(lived["value_ige"][allergy])),
        ("allergen_test", skin, np.full(len(skin[1]), np.nan)),
        ("act", score, lived["act"][score]),
    ]
    term = [
        np.where(traits.atopic[at[1]], 0, 1) if name == "allergen_test" else np.full(len(at[1]), -1)
        for name, at, _ in parts
    ]
    place = [np.full(len(at[1]), TESTED.index(name)) for name, at, _ in parts]
    values = np.concatenate([values for _, _, values in parts]).astype(np.float64)
    return _of_the_living(
        "tests",
        {
            "person": np.concatenate([traits.person[at[1]] for _, at, _ in parts]),
            "date": np.concatenate([lived["day"][at] for _, at, _ in parts]),
            "test": words(np.concatenate(place), TESTED),
            "value": pa.array(values, from_pandas=True),
            "value_term": words(np.concatenate(term), _POSITIVE_NEGATIVE),
            "done": np.ones(len(values), bool),
        },
        traits,
        setting,
    )


def visits_table(setting: Setting, traits: Traits, course: Course) -> pa.Table:
    """Return the table `visits`: monthly ones at which something is done, and those of attacks."""
    lived = course.lived
    routine = np.nonzero(lived["visit"])
    ill = _within(setting, lived, lived["attack"])
    kind = lived["kind"][ill]
    who = np.concatenate([routine[1], ill[1]])
    day = np.concatenate([lived["day"][routine], lived["attack_day"][ill]])
    kinds = ("outpatient", "emergency", "inpatient")
    place = np.where(kind >= HOSPITAL, 2, np.where(kind == ED, 1, 0))
    days = np.where(kind >= HOSPITAL, lived["course"][ill], 1)
    return _of_the_living(
        "visits",
        {
            "person": traits.person[who],
            "date": day,
            "kind": words(np.concatenate([np.zeros(len(routine[1]), np.int64), place]), kinds),
            "days": np.concatenate([np.ones(len(routine[1])), days]).astype(np.int16),
            "specialty": words(_specialty(setting.numbers, traits, who, day), SPECIALTIES),
            "reason": words(np.zeros(len(who), np.int64), ("asthma",)),
        },
        traits,
        setting,
    )


def _specialty(numbers: Parameters, traits: Traits, who: Ints, day: Days) -> Ints:
    """Return the place in SPECIALTIES of who treats each visit: one kind of doctor per person."""
    shares = numbers["specialists"]
    lungs, allergy = (
        by_hospital(shares[kind], traits.hospital[who]) for kind in ("pulmonology", "allergy")
    )
    u = traits.habit_specialty[who]
    place = np.where(u < lungs, 0, np.where(u < lungs + allergy, 1, 2))
    child = (day - traits.birth[who]) / YEAR_DAYS < 15
    result: Ints = np.where(child, 3, place)
    return result


def onsets_table(
    setting: Setting, traits: Traits, course: Course, draw: np.random.Generator
) -> pa.Table:
    """Return the table `onsets`: asthma, its companions, and harms of oral steroids."""
    n = len(traits)
    everyone = np.ones(n, bool)
    ill = {
        "asthma": everyone,
        "allergic_rhinitis": traits.rhinitis,
        "atopic_dermatitis": traits.atopic_dermatitis,
        "nasal_polyp": traits.nasal_polyp,
        "chronic_sinusitis": traits.nasal_polyp,
        "gerd": traits.gerd,
        "depression": traits.depression,
        "obesity": traits.obese,
    }
    parts = []
    for name, has in ill.items():
        earlier = traits.birth + draw.random(n) * (traits.begins - traits.birth)
        onset = traits.onset if name == "asthma" else earlier
        recognised = traits.begins + np.ceil(draw.exponential(60, n))
        missed = draw.random(n) >= (1.0 if name == "asthma" else 0.85)
        parts.append((name, np.flatnonzero(has), onset, np.where(missed, NEVER, recognised)))
    for name in ("osteoporosis", "diabetes"):
        who, first = np.unique(np.nonzero(course.lived[f"harm_{name}"].T)[0], return_index=True)
        month = np.nonzero(course.lived[f"harm_{name}"].T)[1][first]
        onset = np.full(n, NEVER)
        onset[who] = course.lived["day"][month, who]
        parts.append((name, who, onset, onset + 30))
    who = np.concatenate([rows for _, rows, _, _ in parts])
    last = np.minimum(day_number(setting.world.end), traits.death)
    recognised = np.concatenate([known[rows] for _, rows, _, known in parts])
    place = [np.full(len(rows), CONDITIONS.index(name)) for name, rows, _, _ in parts]
    columns = {
        "person": traits.person[who],
        "condition": words(np.concatenate(place), CONDITIONS),
        "onset_date": np.concatenate([onset[rows] for _, rows, onset, _ in parts]),
        "recognised_date": np.where(recognised < last[who], recognised, NEVER),
        "note": None,
    }
    table = table_of("onsets", columns)
    alive = np.asarray(columns["onset_date"]) < last[who]
    return table.filter(pa.array(alive))


def events_table(setting: Setting, traits: Traits, course: Course) -> pa.Table:
    """Return the table `events`: conjunctivitis, and pneumonia that oral steroids add."""
    lived = course.lived
    parts = [
        (name, np.nonzero(lived[column]))
        for name, column in zip(EVENTS, ("conjunctivitis", "harm_pneumonia"), strict=True)
    ]
    place = [np.full(len(at[1]), EVENTS.index(name)) for name, at in parts]
    return _of_the_living(
        "events",
        {
            "person": np.concatenate([traits.person[at[1]] for _, at in parts]),
            "event": words(np.concatenate(place), EVENTS),
            "date": np.concatenate([lived["day"][at] for _, at in parts]),
        },
        traits,
        setting,
    )


def _within(setting: Setting, lived: Part, mask: Flags) -> tuple[Ints, ...]:
    """Return the months and persons of attacks before the end of the world."""
    return np.nonzero(mask & (lived["attack_day"] < day_number(setting.world.end)))


def _of_the_living(
    name: str, columns: dict[str, Any], traits: Traits, setting: Setting
) -> pa.Table:
    """Return the table without rows from the day of death, or of the end of the world, on."""
    table = table_of(name, columns)
    last = np.minimum(day_number(setting.world.end), traits.death)
    order = np.argsort(traits.person)
    place = np.searchsorted(traits.person, np.asarray(columns["person"]), sorter=order)
    day = columns["start_date" if name == "treatments" else "date"]
    alive = np.asarray(day) < last[order[place]] if len(order) else np.zeros(0, bool)
    return table.filter(pa.array(alive))
