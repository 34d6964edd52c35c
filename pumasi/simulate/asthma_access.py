"""Who may have which biologic on which day, how likely a start is, and which drug is chosen.

Doctors decide on what `Known` holds: true values, or what the hospital has recorded, as the world
says. A value that nobody knows meets no rule and adds nothing to a choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from scipy.special import expit

from pumasi.simulate.asthma_rate import DRUGS, allergic
from pumasi.simulate.columns import Days, Flags, Floats, Ints, day_number
from pumasi.simulate.parameters import Parameters
from pumasi.simulate.world import HOSPITALS, World, by_hospital

_POST_2025 = day_number(date(2025, 1, 1))
_POST_2026 = day_number(date(2026, 1, 1))


@dataclass(frozen=True)
class Known:
    """What a decision about a biologic rests on; each of shape (n,), one row per person.

    `eos` per uL, `feno` in ppb, `ige` in IU/mL, `fev1_pct` in percent, NaN when not known; `exac`
    attacks of the last 12 months; `ocs_months` months of oral steroids without a gap.
    """

    day: Days
    age: Floats
    eos: Floats
    feno: Floats
    ige: Floats
    fev1_pct: Floats
    perennial_allergen: Flags
    exac: Ints
    ocs_months: Ints
    ics_high: Flags
    lama: Flags
    step: Ints
    nasal_polyp: Flags
    atopic_dermatitis: Flags
    late_onset: Flags
    ses_low: Flags
    confounder: Floats
    hospital: Ints


def considered(step: Ints, exac: Ints) -> Flags:
    """Return for whom a doctor thinks of a biologic: step 5, or step 4 with two attacks a year."""
    result: Flags = (step == 5) | ((step == 4) & (exac >= 2))
    return result


def allowed(numbers: Parameters, world: World, known: Known) -> Flags:
    """Return which drugs the rules of the world pay for, shape (n, 6) in the order of DRUGS."""
    if world.access == "liberal_access":
        rule = numbers["liberal_access"]
        limbs = [{"min_exac_12m": rule["min_exac_12m"]}, {"ocs_months_ge": rule["ocs_months_ge"]}]
        one = _meets({**rule, "any_of": limbs}, rule["requires"], known)
        return np.repeat(one[:, None], len(DRUGS), axis=1)
    rules = numbers["korea_reimbursement"]
    return np.column_stack([_meets(rules[drug], rules["requires"], known) for drug in DRUGS])


def on_market(numbers: Parameters, known: Known) -> Flags:
    """Return which drugs money can buy, shape (n, 6): what the rules don't hold back."""
    since = numbers["market_from"]
    return np.column_stack([known.day >= _day(since[drug]) for drug in DRUGS])


def start_probability(numbers: Parameters, world: World, known: Known) -> Floats:
    """Return the probability of wanting to start a biologic this month, shape (n,).

    Whether there is a drug to start is another question: see `drug_probabilities`.
    """
    weights = numbers["biologic_start"]
    hospital = by_hospital(weights["hospital"], known.hospital)
    score = (
        weights["base_logit_month"]
        + weights["n_exac_12m"] * known.exac
        + weights["ocs_maintenance"] * (known.ocs_months > 0)
        + weights["eos_ge_300"] * (known.eos >= 300)
        + weights["feno_ge_50"] * (known.feno >= 50)
        + weights["age_ge_75"] * (known.age >= 75)
        + weights["ses_low"] * known.ses_low
        + hospital
    )
    if world.unmeasured_confounder:
        effect = numbers["unmeasured_confounder"]["effect_on_biologic_logit"]
        score = score + effect * known.confounder
    result: Floats = expit(score) * considered(known.step, known.exac)
    return result


def utilities(numbers: Parameters, world: World, known: Known) -> Floats:
    """Return the utility of each drug in the doctor's choice, shape (n, 6), ordered as DRUGS."""
    weights = numbers["biologic_choice"]
    suits = allergic(known.perennial_allergen, known.ige)
    facts: dict[str, Any] = {
        "b0": 1.0,
        "not_atopic_or_ige_outside_30_700": ~suits,
        "feno_ge_25": known.feno >= 25,
        "eos_150_1500": (known.eos >= 150) & (known.eos <= 1500),
        "eos_ge_300": known.eos >= 300,
        "eos_ge_400": known.eos >= 400,
        "eos_lt_150": known.eos < 150,
        "np": known.nasal_polyp,
        "ad": known.atopic_dermatitis,
        "ocs_maint": known.ocs_months > 0,
        "n_exac": known.exac,
        "late_onset": known.late_onset,
        "haneul": known.hospital == HOSPITALS.index("haneul"),
        "bada": known.hospital == HOSPITALS.index("bada"),
    }
    # Under liberal access the calendar keeps nobody from a drug.
    korean = world.access == "korea"
    only_asthma = ~known.nasal_polyp & ~known.atopic_dermatitis
    facts["post_2025"] = korean & (known.day >= _POST_2025)
    facts["post_2026"] = korean & (known.day >= _POST_2026)
    facts["before_2026_asthma_only"] = korean & (known.day < _POST_2026) & only_asthma
    columns = [sum(w * facts[fact] for fact, w in weights[drug].items()) for drug in DRUGS]
    return np.column_stack([np.broadcast_to(column, known.day.shape) for column in columns])


def drug_probabilities(
    numbers: Parameters, world: World, known: Known
) -> tuple[Floats, Floats, Flags]:
    """Return the probability that a wanted start becomes one with each drug, and its two parts.

    The first result, shape (n, 6), adds up to less than 1 where there may be no drug to start. The
    others, shape (2, n, 6) each, are the probabilities and the drugs to choose from when the rules
    are not enforced (place 0) and when they are (place 1).
    """
    score = utilities(numbers, world, known)
    choice = np.stack([on_market(numbers, known), allowed(numbers, world, known)])
    if world.access == "liberal_access":
        choice[0] = choice[1]
    weight = np.exp(score) * choice
    total = weight.sum(axis=2, keepdims=True)
    parts = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)
    enforced = enforcement(numbers, world)
    return (1 - enforced) * parts[0] + enforced * parts[1], parts, choice


def enforcement(numbers: Parameters, world: World) -> float:
    """Return how often the rules of reimbursement are enforced."""
    if world.strict_rules:
        return 1.0
    return float(numbers["korea_reimbursement"]["enforce_probability"])


def _meets(rule: Parameters, requires: list[str], known: Known) -> Flags:
    if rule["from"] is None:
        return np.zeros(known.day.shape, bool)
    meets = (known.day >= _day(rule["from"])) & (known.age >= rule["age_min"])
    for requirement in requires:
        meets = meets & getattr(known, requirement)
    limbs = [_meets_limb(limb, known) for limb in rule["any_of"]]
    result: Flags = meets & np.logical_or.reduce(limbs)
    return result


def _meets_limb(limb: Parameters, known: Known) -> Flags:
    tests: dict[str, Any] = {
        "eos_ge": lambda least: known.eos >= least,
        "feno_ge": lambda least: known.feno >= least,
        "ige_ge": lambda least: known.ige >= least,
        "fev1_pct_lt": lambda most: known.fev1_pct < most,
        "min_exac_12m": lambda least: known.exac >= least,
        "ocs_months_ge": lambda least: known.ocs_months >= least,
        "perennial_allergen": lambda wanted: known.perennial_allergen == wanted,
    }
    met: Flags = np.logical_and.reduce([tests[name](value) for name, value in limb.items()])
    return met


def _day(text: str) -> int:
    return day_number(date.fromisoformat(text))
