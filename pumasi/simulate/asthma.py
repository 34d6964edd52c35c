"""Asthma in the life layer: what happens to the asthmatics of a chunk, and what might have.

`asthma_life` lives the course of every asthmatic once as it is, and the twelve months after each
start of a biologic once more under every drug and under none, with the same random numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pumasi.simulate.asthma_access import Known
from pumasi.simulate.asthma_course import (
    Course,
    Luck,
    Month,
    Setting,
    follow,
    live,
    luck_of,
    setting_of,
)
from pumasi.simulate.asthma_rate import ARMS, DRUGS, probability
from pumasi.simulate.asthma_tables import (
    KEPT,
    attacks_table,
    events_table,
    onsets_table,
    tests_table,
    treatments_table,
    visits_table,
)
from pumasi.simulate.asthma_traits import Traits, traits_of
from pumasi.simulate.columns import dates, words
from pumasi.simulate.parameters import Parameters
from pumasi.simulate.population import ENDOTYPES
from pumasi.simulate.world import HOSPITALS, World


@dataclass(frozen=True)
class AsthmaLife:
    """Tables of the asthmatics of one chunk; the first six have the schemas of `Life`.

    `attacks_seen` has, row by row of `attacks`, whether the person's hospital learned of it:
    recorded decisions rest on these. `asthma_months` and `biologic_starts` are truth of which no
    record is made. A fatal attack ends a life on its day: whoever composes lives sets the death.
    """

    attacks: pa.Table
    treatments: pa.Table
    tests: pa.Table
    visits: pa.Table
    onsets: pa.Table
    events: pa.Table
    attacks_seen: pa.Table
    asthma_months: pa.Table
    biologic_starts: pa.Table


def asthma_life(
    persons: pa.Table, numbers: Parameters, world: World, draw: np.random.Generator
) -> AsthmaLife:
    """Return what happens to the asthmatics in `persons`, a table `persons` of the life layer.

    `numbers` are `parameters("asthma")`. Persons who die of something else have a `death_date`.
    The result is a function of the arguments and of the state of `draw` only.
    """
    setting = setting_of(world, numbers)
    traits = traits_of(persons, numbers, world, draw)
    luck = luck_of(setting, len(traits), draw)
    course = live(setting, traits, luck, KEPT)
    attacks, seen = attacks_table(setting, traits, course)
    return AsthmaLife(
        attacks=attacks,
        treatments=treatments_table(setting, traits, course),
        tests=tests_table(setting, traits, course),
        visits=visits_table(setting, traits, course),
        onsets=onsets_table(setting, traits, course, draw),
        events=events_table(setting, traits, course),
        attacks_seen=seen,
        asthma_months=months_table(traits, course, luck),
        biologic_starts=starts_table(setting, traits, course, luck),
    )


def months_table(traits: Traits, course: Course, luck: Luck) -> pa.Table:
    """Return the truth of each person and month: values, rates, and attacks under each treatment.

    `rate_*` is the yearly rate of the month with that drug in full effect, all else as it was;
    `attacks_*` whether the month's random number gives an attack at that rate. `month` is the day
    on which the person's month begins.
    """
    lived = course.lived
    at = np.nonzero(lived["active"])
    who, u = at[1], luck.uniform[: len(lived["active"]), 0][at]
    columns = {
        "person": pa.array(traits.person[who]),
        "month": dates(lived["day"][at]),
        "severity": pa.array(traits.severity[who].astype(np.int8)),
        "step": pa.array(lived["step"][at].astype(np.int8)),
        **{name: pa.array(lived[name][at]) for name in ("eos", "feno", "fev1_pct", "pdc")},
        "act": pa.array(lived["act"][at].astype(np.int8)),
        "ocs_maintenance": pa.array(lived["ocs"][at]),
        "drug": words(lived["drug"][at], ARMS),
        "rate": pa.array(lived["rate"][at]),
        "attacks": pa.array(lived["attack"][at].astype(np.int8)),
        "start_probability": pa.array(lived["p_start"][at]),
    }
    ratios = np.exp(traits.log_rr).astype(np.float32)
    for place, arm in enumerate(ARMS):
        rate = lived["rate_none"][at] * ratios[who, place]
        columns[f"rate_{arm}"] = pa.array(rate)
        columns[f"attacks_{arm}"] = pa.array((u < probability(rate)).astype(np.int8))
    return pa.table(columns)


def starts_table(setting: Setting, traits: Traits, course: Course, luck: Luck) -> pa.Table:
    """Return the truth of each start of a biologic: one row per start.

    What the decision rested on; `paid_*` which drugs the rules pay for, `offered_*` which ones
    there were to choose from; `propensity_*` the true probability of each drug given a start;
    `start_probability` that of any start in that month; `rr_*` the true rate ratio of each drug in
    this person; `attacks_12m_*` the attacks of the next twelve months under each arm with the same
    luck, where a drug that was begun is stopped and changed as in life.
    """
    starts = course.decisions if course.before is not None else _no_decisions()
    rows = starts["row"]
    attacks = _attacks_under_each(setting, traits, course, luck)
    ratios = np.exp(traits.log_rr[rows])
    columns = {"person": pa.array(traits.person[rows]), "date": dates(starts["day"])}
    columns |= {"drug": words(starts["drug"], ARMS), **_known_columns(starts)}
    columns |= {
        "endotype": words(traits.endotype[rows], ENDOTYPES),
        "true_eos": pa.array(np.exp(traits.log_eos[rows])),
        "true_feno": pa.array(np.exp(traits.log_feno[rows])),
        "enforced": pa.array(starts["enforced"]),
        "start_probability": pa.array(starts["p_drug"].sum(axis=1)),
    }
    propensity = starts["p_drug"] / starts["p_drug"].sum(axis=1, keepdims=True)
    for place, drug in enumerate(DRUGS):
        columns[f"paid_{drug}"] = pa.array(starts["reimbursed"][:, place])
        columns[f"offered_{drug}"] = pa.array(starts["choice"][:, place])
        columns[f"propensity_{drug}"] = pa.array(propensity[:, place])
    for place, arm in enumerate(ARMS):
        columns[f"rr_{arm}"] = pa.array(ratios[:, place])
        columns[f"attacks_12m_{arm}"] = pa.array(attacks[:, place])
    return pa.table(columns)


_KNOWN = ("age", "eos", "feno", "ige", "fev1_pct", "perennial_allergen", "exac", "ocs_months",
          "step", "nasal_polyp", "atopic_dermatitis", "late_onset", "ses_low",
          "confounder")  # fmt: skip


def _known_columns(starts: dict[str, npt.NDArray[np.generic]]) -> dict[str, pa.Array]:
    columns = {name: pa.array(starts[name], from_pandas=True) for name in _KNOWN}
    hospital = np.asarray(starts["hospital"], np.int64)
    return columns | {"hospital": words(hospital, HOSPITALS)}


def _attacks_under_each(
    setting: Setting, traits: Traits, course: Course, luck: Luck
) -> npt.NDArray[np.int8]:
    """Return the attacks of the twelve months after each start under each arm, (starts, arms)."""
    if course.before is None:
        return np.zeros((0, len(ARMS)), np.int8)
    starts = course.decisions
    rows, n = starts["row"], len(starts["row"])
    arms = np.tile(np.arange(len(ARMS)), (n, 1))
    again = np.repeat(np.arange(n), len(ARMS))
    lived = follow(
        setting,
        traits.take(rows[again]),
        course.before.take(again),
        starts["month"][again],
        luck,
        rows[again],
        arms.ravel(),
    )
    attacks: npt.NDArray[np.int8] = lived["attack"].sum(axis=0).reshape(n, len(ARMS))
    return attacks.astype(np.int8)


def _no_decisions() -> Month:
    """Return the decisions of a chunk in which nobody starts: none, with the types of some."""
    flag, number, by_drug = np.zeros(0, bool), np.zeros(0), (0, len(DRUGS))
    counts = ("hospital", "exac", "ocs_months", "step", "drug", "row", "month")
    flags = ("perennial_allergen", "nasal_polyp", "atopic_dermatitis", "late_onset", "ses_low")
    decisions: Month = dict.fromkeys(Known.__annotations__, number)
    decisions |= {name: np.zeros(0, np.int64) for name in counts}
    decisions |= dict.fromkeys((*flags, "enforced"), flag)
    decisions["p_drug"] = np.zeros(by_drug)
    return decisions | {name: np.zeros(by_drug, bool) for name in ("choice", "reimbursed")}
