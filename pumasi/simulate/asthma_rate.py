"""How often an asthmatic has severe attacks: the rate formula, and what each treatment does to it.

The rate is that of clinical.md 4.3; every effect is a rate ratio that multiplies it, and acts in no
second way: markers and FEV1 enter the formula free of treatment. A prior attack is no term of the
formula. Attacks repeat because frailty, severity and markers stay with the person.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pumasi.simulate.columns import YEAR_DAYS, Flags, Floats, Ints
from pumasi.simulate.parameters import Parameters

MONTHS_PER_YEAR = 12
WEEKS_PER_MONTH = YEAR_DAYS / 7 / 12

# The drugs by place; place 0 is none.
DRUGS = (
    "omalizumab",
    "mepolizumab",
    "benralizumab",
    "reslizumab",
    "dupilumab",
    "tezepelumab",
)
ARMS = ("none", *DRUGS)


@dataclass(frozen=True)
class Markers:
    """What an effect depends on: each shape (n,), a person's own long-run level off treatment.

    `eos` per uL, `feno` in ppb, `ige` in IU/mL.
    """

    eos: Floats
    feno: Floats
    ige: Floats
    atopic: Flags
    nasal_polyp: Flags


def log_rate(
    numbers: Parameters,
    *,
    severity: npt.ArrayLike,
    eos: npt.ArrayLike,
    feno: npt.ArrayLike,
    fev1_pct: npt.ArrayLike,
    pdc: npt.ArrayLike,
    log_factors: npt.ArrayLike = 0.0,
) -> Floats:
    """Return the log of severe attacks a year, before season, frailty and treatment.

    `severity` is 1 to 5, `eos` per uL, `feno` in ppb, `fev1_pct` in percent of predicted, `pdc` the
    share of days covered by inhaled steroids; `log_factors` the sum of the logs of risk factors.
    """
    rate = numbers["rate"]
    base = np.log(numbers["base_rate_per_year"]["by_severity"])[np.asarray(severity) - 1]
    covered = (np.asarray(pdc) - rate["adherence_from"]) / rate["adherence_width"]
    result: Floats = (
        base
        + np.log(rate["eos_per_10_fold"]) * np.log10(np.asarray(eos) / 200)
        + np.log(rate["feno_per_10_fold"]) * np.log10(np.asarray(feno) / 25)
        + np.log(rate["fev1_per_10_lower"]) * (80 - np.asarray(fev1_pct)) / 10
        + np.log(rate["adherence"]) * np.clip(covered, 0, 1)
        + log_factors
    )
    return result


def cells(numbers: Parameters, markers: Markers) -> tuple[Ints, Ints]:
    """Return the row (eosinophils) and column (FeNO) of the 3x3 table of effects, each 0 to 2."""
    cuts = numbers["eos_cuts"]
    row = np.searchsorted(cuts["cells"], markers.eos, side="right")
    column = np.searchsorted(cuts["feno"], markers.feno, side="right")
    return row, column


def log_rate_ratios(numbers: Parameters, markers: Markers) -> Floats:
    """Return the log rate ratio of each arm in full effect, shape (n, 7) in the order of ARMS."""
    row, column = cells(numbers, markers)
    fine = np.searchsorted(numbers["eos_cuts"]["by_eos"], markers.eos, side="right")
    ratios = np.ones((len(row), len(ARMS)))
    for drug in ("mepolizumab", "benralizumab", "reslizumab"):
        ratios[:, ARMS.index(drug)] = np.array(numbers[f"{drug}_rr"]["by_eos"])[fine]
    for drug in ("dupilumab", "tezepelumab"):
        ratios[:, ARMS.index(drug)] = np.array(numbers[f"{drug}_rr"]["cells"])[row, column]
    polyps = numbers["dupilumab_rr"]["extra_np_multiplier"]
    ratios[markers.nasal_polyp, ARMS.index("dupilumab")] *= polyps
    ratios[:, ARMS.index("omalizumab")] = _omalizumab(numbers["omalizumab_rr"], markers, column)
    logs: Floats = np.log(ratios)
    return logs


def fev1_gains(numbers: Parameters, markers: Markers) -> Floats:
    """Return the litres of FEV1 that each arm adds, shape (n, 7) in the order of ARMS."""
    row, column = cells(numbers, markers)
    gains = np.zeros((len(row), len(ARMS)))
    for place, drug in enumerate(DRUGS, start=1):
        gain = np.array(numbers[f"{drug}_rr"]["fev1_gain_l"])
        gains[:, place] = gain[row, column] if gain.ndim else gain
    return gains


def step_up_ratio(numbers: Parameters, markers: Markers) -> Floats:
    """Return the rate ratio of one more step of inhaled steroids, shape (n,)."""
    ratios = numbers["controllers_rr"]["ics_step_up"]
    row, column = cells(numbers, markers)
    high = (row == 2) | (column == 2)
    low = (row == 0) & (column == 0)
    result: Floats = np.where(
        high, ratios["t2_high"], np.where(low, ratios["t2_low"], ratios["intermediate"])
    )
    return result


def onset_weight(numbers: Parameters, months_on: npt.ArrayLike) -> Floats:
    """Return which part of the full effect a drug has in its month `months_on`, the first is 0."""
    weeks = (np.asarray(months_on, dtype=np.float64) + 0.5) * WEEKS_PER_MONTH
    # The mean over the month of a straight rise: the first month reaches half of it.
    weight: Floats = np.clip(weeks / numbers["ramp"]["biologic_onset_weeks"], 0, 1)
    return weight


def washout_weight(numbers: Parameters, months_off: npt.ArrayLike) -> Floats:
    """Return which part of the full effect is left in month `months_off` after the last one."""
    weeks = (np.asarray(months_off, dtype=np.float64) + 0.5) * WEEKS_PER_MONTH
    weight: Floats = np.clip(1 - weeks / numbers["ramp"]["washout_weeks_after_stop"], 0, 1)
    return weight


def probability(yearly: npt.ArrayLike) -> Floats:
    """Return the probability of an attack within a month at `yearly` attacks a year."""
    result: Floats = -np.expm1(-np.asarray(yearly, dtype=np.float64) / MONTHS_PER_YEAR)
    return result


def _omalizumab(numbers: Parameters, markers: Markers, column: Ints) -> Floats:
    suits = allergic(markers.atopic, markers.ige)
    ratio = numbers["atopic_ige_30_700"] * np.where(
        column > 0, numbers["feno_ge_25_multiplier"], 1.0
    )
    result: Floats = np.where(suits, ratio, numbers["else"])
    return result


def allergic(atopic: Flags, ige: Floats) -> Flags:
    """Return whose IgE omalizumab is made for: an allergic person's, 30 to 700 IU/mL."""
    result: Flags = atopic & (ige >= 30) & (ige <= 700)
    return result
