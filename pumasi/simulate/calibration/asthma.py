"""Calibration of asthma at the level of lives: what is simulated, beside the targets of 4.5.

Adults with asthma in the mix of steps of clinical.md 4.5 live two years under Korean rules before
there was a biologic to have, without the confounder and the pandemic. The first year is history;
the index is the visit that begins the second, and the second is the outcome. Whoever is then at
step 4 or 5 lives it again with and without dupilumab.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pumasi.simulate.asthma_course import (
    ED,
    Luck,
    Setting,
    State,
    first_state,
    follow,
    live_month,
    luck_of,
    setting_of,
)
from pumasi.simulate.asthma_rate import ARMS, Markers, cells
from pumasi.simulate.asthma_traits import Traits, traits_of
from pumasi.simulate.calibration.targets import Result, as_markdown, point
from pumasi.simulate.columns import YEAR_DAYS, days_of
from pumasi.simulate.parameters import Parameters, parameters
from pumasi.simulate.population import persons_of
from pumasi.simulate.world import CHUNK_PERSONS, Chunk, World

YEAR = 12
STEPS = (0.22, 0.30, 0.24, 0.17, 0.07)
# Persons and attacks a year under placebo in QUEST, by eosinophils and FeNO (V A11).
QUEST_PERSONS = np.array([[106, 35, 21], [96, 53, 25], [89, 97, 98]])
QUEST_RATES = np.array([[0.56, 0.62, 0.53], [0.82, 1.14, 0.48], [0.84, 1.24, 1.78]])
BATCH = 20_000

Estimates = dict[str, float]


TARGETS = {
    **{
        f"rate_step_{step}": point(f"attacks a year, step {step}", rate, "2.5 targets A")
        for step, rate in enumerate((0.089, 0.129, 0.204, 0.436, 0.95), start=1)
    },
    "any_12m": point(
        "any attack in 12 months", 0.187, "0.084-0.125 V A17, 0.228 mild V, 0.328 V A22"
    ),
    "rr_prior": point("rate ratio of a prior attack, all steps", 3.05, "-"),
    "rr_prior_step_5": point("rate ratio of a prior attack, step 5", 1.98, "1.94 adjusted V A12"),
    "auroc_oracle": point("AUROC of the true rate", 0.785, "-"),
    "auroc_covariates": point("AUROC of covariates and prior attacks", 0.73, "0.71 V A22"),
    "ed_hospital_12m": point("emergency or hospital in 12 months", 0.024, "ED 0.029, hosp 0.015"),
    "korean_rule_step_5": point("step 5 under dupilumab's Korean rule (a)", 0.0395, "rule V A23"),
    "two_attacks_step_5": point("the same with 2 attacks instead of 4", 0.21, "-"),
    "dupilumab_all": point("dupilumab, rate ratio in QUEST's mix", 0.51, "0.52-0.54 V A9"),
    "dupilumab_eos_300": point("the same, eosinophils >= 300", 0.36, "0.34 G"),
    "dupilumab_both_high": point("the same, and FeNO >= 25", 0.31, "0.25 V A10"),
    "dupilumab_eos_150": point("the same, eosinophils 150-299", 0.67, "0.56-0.64"),
    "dupilumab_eos_low": point("the same, eosinophils < 150", 0.84, "not significant V A9"),
}


def calibrate(
    adults: int = 400_000, seed: int = 1, numbers: Parameters | None = None
) -> dict[str, Result]:
    """Simulate `adults` asthmatics and return each target with what came out.

    Batches of 20,000 are independent: the estimate is that of all batches' mean, its error their
    standard deviation over the root of their number.
    """
    numbers = parameters("asthma") if numbers is None else numbers
    world = World(
        preset="realistic",
        seed=seed,
        unmeasured_confounder=False,
        strict_rules=True,
        temporal_shift=False,
    )
    batches = max(2, round(adults / BATCH))
    size = -(-adults // batches)
    people = asthmatic_adults(world, size)
    found = [
        _estimates(_two_years(next(people), world, numbers, np.random.default_rng([seed, batch])))
        for batch in range(batches)
    ]
    results = {}
    for name, target in TARGETS.items():
        values = np.array([estimates[name] for estimates in found])
        error = float(values.std(ddof=1) / np.sqrt(batches))
        results[name] = Result(target, float(values.mean()), error)
    return results


def asthmatic_adults(world: World, size: int) -> Iterator[pa.Table]:
    """Yield tables `persons` of `size` who are adult and have asthma when the world begins."""
    waiting: list[pa.Table] = []
    number = 0
    while True:
        while sum(table.num_rows for table in waiting) < size:
            persons = persons_of(Chunk("haneul", number, CHUNK_PERSONS), world)
            start = np.datetime64(world.start).astype("datetime64[D]").astype(int)
            adult = days_of(persons["birth_date"]) <= start - 18 * YEAR_DAYS
            ill = days_of(persons["asthma_onset"]) <= start
            waiting.append(persons.filter(pc.and_(persons["asthma"], pa.array(adult & ill))))
            number += 1
        table = pa.concat_tables(waiting).unify_dictionaries().combine_chunks()
        yield table.slice(0, size)
        waiting = [table.slice(size)]


@dataclass(frozen=True)
class TwoYears:
    """What a batch lived: months by persons, and where everybody stood at the index."""

    setting: Setting
    traits: Traits
    luck: Luck
    at_index: State
    months: dict[str, npt.NDArray[Any]]


def _two_years(
    persons: pa.Table, world: World, numbers: Parameters, draw: np.random.Generator
) -> TwoYears:
    setting = replace(setting_of(world, numbers), months=2 * YEAR)
    traits = traits_of(persons, numbers, world, draw, STEPS)
    traits = replace(traits, begins=np.full(len(traits), setting.first[0]))
    luck = luck_of(setting, len(traits), draw)
    state = at_index = first_state(traits)
    months: dict[str, list[npt.NDArray[Any]]] = {}
    kept = ("attack", "kind", "rate", "viral", "step", "active", "act_free", "saba_heavy", "pdc",
            "ics", "age", "fev1_free")  # fmt: skip
    for month in range(2 * YEAR):
        if month == YEAR:
            at_index = state.copy()
        out = live_month(setting, traits, state, month, luck.at(month))
        for name in kept:
            months.setdefault(name, []).append(out[name])
    stacked = {name: np.stack(values) for name, values in months.items()}
    return TwoYears(setting, traits, luck, at_index, stacked)


def _estimates(lived: TwoYears) -> Estimates:
    months = lived.months
    # Whoever died of an attack in the first year has no index.
    here = months["active"][YEAR]
    step = months["step"][YEAR][here]
    years = months["active"][YEAR:, here].sum(axis=0) / YEAR
    count = months["attack"][YEAR:, here].sum(axis=0)
    prior = months["attack"][:YEAR, here].sum(axis=0)
    severe = (months["kind"][YEAR:, here] >= ED).any(axis=0)
    rate = {s: count[step == s].sum() / years[step == s].sum() for s in range(1, 6)}
    factor = lived.setting.numbers["risk_factors"]["viral_infection_month"]
    usual = months["rate"][:YEAR, here] / np.where(months["viral"][:YEAR, here], factor, 1.0)
    last = step == 5
    eos, feno = (np.exp(values[here]) for values in (lived.traits.log_eos, lived.traits.log_feno))
    t2 = (eos >= 150) | (feno >= 25)
    return {
        **{f"rate_step_{s}": float(value) for s, value in rate.items()},
        "any_12m": float((count > 0).mean()),
        "rr_prior": _ratio(count, years, prior),
        "rr_prior_step_5": _ratio(count[last], years[last], prior[last]),
        "auroc_oracle": float(roc_auc_score(count > 0, usual.mean(axis=0))),
        "auroc_covariates": _learned(lived, here, prior, count > 0),
        "ed_hospital_12m": float(severe.mean()),
        "korean_rule_step_5": float((t2 & (prior >= 4))[last].mean()),
        "two_attacks_step_5": float((t2 & (prior >= 2))[last].mean()),
        **_dupilumab(lived),
    }


def _ratio(count: Any, years: Any, prior: Any) -> float:
    had = prior > 0
    return float(count[had].sum() / years[had].sum() / (count[~had].sum() / years[~had].sum()))


def _learned(lived: TwoYears, here: Any, prior: Any, outcome: Any) -> float:
    """Return the AUROC of a logistic model on true covariates and prior attacks, on the other half.

    No frailty among the covariates, and markers at the person's own level.
    """
    traits, months = lived.traits, lived.months
    step = months["step"][YEAR][:, None] == np.arange(2, 6)
    columns = [
        *step.T,
        np.log1p(lived.at_index.attacks.sum(axis=1)),
        lived.at_index.attacks.any(axis=1),
        traits.female,
        months["age"][YEAR] >= 65,
        traits.obese,
        traits.rhinitis,
        traits.nasal_polyp,
        traits.gerd,
        traits.depression,
        traits.log_eos,
        traits.log_feno,
        months["fev1_free"][YEAR],
        months["act_free"][YEAR - 1] <= 19,
        months["saba_heavy"][YEAR],
        (months["pdc"] * months["ics"])[:YEAR].mean(axis=0),
    ]
    features = np.column_stack(columns).astype(np.float64)[here]
    half = len(features) // 2
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(features[:half], outcome[:half])
    return float(roc_auc_score(outcome[half:], model.predict_proba(features[half:])[:, 1]))


def _dupilumab(lived: TwoYears) -> Estimates:
    """Return the rate ratios of dupilumab, kept for a year, by cells weighted as in QUEST."""
    traits = lived.traits
    rows = np.flatnonzero(lived.months["active"][YEAR] & (lived.months["step"][YEAR] >= 4))
    some, start = traits.take(rows), lived.at_index.take(rows)
    counts = []
    for arm in ("none", "dupilumab"):
        again = follow(
            lived.setting,
            some,
            start,
            np.full(len(rows), YEAR),
            lived.luck,
            rows,
            np.full(len(rows), ARMS.index(arm)),
            sustained=True,
        )
        # The targets are ratios in full effect: the first month is on the way there.
        counts.append(again["attack"][1:].sum(axis=0))
    markers = Markers(
        np.exp(some.log_eos), np.exp(some.log_feno), some.ige, some.atopic, some.nasal_polyp
    )
    row, column = cells(lived.setting.numbers, markers)
    sums = [np.bincount(3 * row + column, count, minlength=9).reshape(3, 3) for count in counts]
    ratio = sums[1] / sums[0]
    events = QUEST_PERSONS * QUEST_RATES
    places: dict[str, Any] = {
        "dupilumab_all": np.s_[:, :],
        "dupilumab_eos_300": np.s_[2:, :],
        "dupilumab_both_high": np.s_[2:, 1:],
        "dupilumab_eos_150": np.s_[1:2, :],
        "dupilumab_eos_low": np.s_[:1, :],
    }
    return {
        name: float((ratio * events)[place].sum() / events[place].sum())
        for name, place in places.items()
    }


if __name__ == "__main__":
    adults = int(sys.argv[1]) if len(sys.argv) > 1 else 400_000
    sys.stdout.write(as_markdown(calibrate(adults)))
