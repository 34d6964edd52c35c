"""The trial that no hospital can do: the same persons under each strategy, with the same luck.

Persons come from the world's own population, under numbers that the world's hospitals don't use.
They live as they would, until the index; from there each lives on once under every strategy. The
truth of an estimand is the same estimator on such lives (`pumasi.simulate.estimands`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pumasi.errors import ConfigError
from pumasi.simulate.asthma_course import (
    FOLLOW_UP,
    Course,
    Luck,
    Month,
    Setting,
    follow,
    live,
    luck_of,
    place_of,
    setting_of,
)
from pumasi.simulate.asthma_rate import ARMS, DRUGS
from pumasi.simulate.asthma_traits import Traits, traits_of
from pumasi.simulate.columns import YEAR_DAYS, Flags, Floats, Ints, dates, words
from pumasi.simulate.parameters import parameters
from pumasi.simulate.population import persons_of
from pumasi.simulate.world import CHUNK_PERSONS, HOSPITALS, Chunk, World

# Chunks that no hospital has: 200 million persons each before they would meet.
FIRST_CHUNK = 10_000
BATCHES = 20
# Slopes leave out the months in which FEV1 rises to its new level.
SLOPE_FROM = 3


@dataclass(frozen=True)
class Eligibility:
    """Who enters the trial, and when: time zero.

    `at` is "start": the visit at which a doctor starts one of the strategies' drugs, the new users
    of an observational study; or "allowed": the first visit at which a doctor thinks of a biologic
    and the rules pay for all of the strategies' drugs, whether one is started or not. `joint`
    leaves out starters whom the rules do not allow every one of the strategies' drugs.
    """

    at: Literal["start", "allowed"] = "start"
    joint: bool = True


def simulate_trial(
    world: World,
    strategies: Sequence[str],
    eligibility: Eligibility,
    n: int,
    *,
    replicates: int = 1,
    sustained: bool = False,
    progress: Callable[[int], None] | None = None,
) -> pa.Table:
    """Return the lives of `n` entrants under each of `strategies`: one row per life and strategy.

    A strategy is "none", kept throughout, or a drug, begun at time zero and then stopped and
    changed as in life, or kept if `sustained`. With `replicates` above 1 each entrant lives that
    many times from time zero with new luck, so that `n` lives need fewer entrants. A `batch` has
    entrants of all hospitals and shares no chunk of persons with another batch. Nobody dies of
    anything but asthma. `progress` is called with the number of lives after each chunk.

    Columns: life, person, batch, strategy, date; chosen (what the doctor did), propensity (true
    probability of this row's strategy given that it is one of them), what was known at time zero,
    true_eos, true_feno; attacks, years, event, time (days to the first attack or the end),
    fev1_slope (percent of predicted a year, from the fourth month on), assigned (one strategy a
    life, at random: a trial as it would be done).
    """
    arms = _arms(strategies)
    if n < 1 or replicates < 1:
        raise ConfigError("a trial needs at least one life")
    tables: list[pa.Table] = []
    lives = 0
    for number, chunk in enumerate(_chunks(world)):
        table = _chunk(world, chunk, arms, eligibility, replicates, sustained)
        if table is not None:
            whole = table.num_rows // len(arms)
            wanted = min(whole, n - lives)
            table = table.slice(0, wanted * len(arms))
            tables.append(
                table.append_column("batch", pa.array(np.full(len(table), chunk.number % BATCHES)))
            )
            lives += wanted
        if progress is not None:
            progress(lives)
        if lives >= n:
            joined = pa.concat_tables(tables).unify_dictionaries()
            life = np.repeat(np.arange(n), len(arms))
            return joined.add_column(0, "life", pa.array(life)).combine_chunks()
        if number > 200 and lives == 0:
            raise ConfigError("nobody is eligible for the trial in 200 chunks of this world")
    raise ConfigError("the world has no hospital to draw persons from")


def _arms(strategies: Sequence[str]) -> Ints:
    unknown = [name for name in strategies if name not in ARMS]
    if unknown or len(set(strategies)) < 2 or len(set(strategies)) < len(strategies):
        raise ConfigError(f"a trial compares two or more different strategies of {', '.join(ARMS)}")
    return np.array([ARMS.index(name) for name in strategies])


def _chunks(world: World) -> Iterator[Chunk]:
    """Yield chunks of new persons without end, hospitals in the proportions of the world."""
    sizes = {name: world.persons(name) for name in world.hospitals}
    largest = max(sizes.values())
    number = FIRST_CHUNK
    while True:
        for name, size in sizes.items():
            yield Chunk(name, number, max(1, round(CHUNK_PERSONS * size / largest)))
        number += 1


def _chunk(
    world: World,
    chunk: Chunk,
    arms: Ints,
    eligibility: Eligibility,
    replicates: int,
    sustained: bool,
) -> pa.Table | None:
    """Return the lives of one chunk's entrants, strategies of a life in adjacent rows."""
    draw = world.generator(chunk, "trial")
    setting = setting_of(world, parameters("asthma"))
    traits = traits_of(persons_of(chunk, world), setting.numbers, world, draw)
    luck = luck_of(setting, len(traits), draw)
    course = live(setting, traits, luck, (), _entry(arms, eligibility))
    if course.before is None:
        return None
    entrants = len(course.decisions["row"])
    again = np.repeat(np.arange(entrants), replicates)
    new = _new_luck(setting, luck, course.decisions, again, draw)
    rows = np.repeat(np.arange(len(again)), len(arms))
    entrant = again[rows]
    lived = follow(
        setting,
        traits.take(course.decisions["row"][entrant]),
        course.before.take(entrant),
        course.decisions["month"][entrant],
        new,
        rows,
        np.tile(arms, len(again)),
        sustained=sustained,
        own_months=True,
    )
    assigned = np.repeat(draw.integers(0, len(arms), len(again)), len(arms))
    table = _table(traits, course, arms, entrant, lived)
    mine = assigned == np.tile(np.arange(len(arms)), len(again))
    return table.append_column("assigned", pa.array(mine))


def _entry(arms: Ints, eligibility: Eligibility) -> Callable[[Month], Flags]:
    """Return the function that picks the decisions at which persons enter."""
    drugs = arms[arms > 0] - 1
    entered: set[int] = set()

    def pick(facts: Month) -> Flags:
        enters: Flags = np.ones(len(facts["row"]), bool)
        if eligibility.joint or eligibility.at == "allowed":
            enters &= facts["reimbursed"][:, drugs].all(axis=1)
        if eligibility.at == "start":
            enters &= np.isin(facts["drug"], drugs + 1)
        # A person enters once: later starts are no new use.
        enters &= ~np.isin(facts["row"], list(entered))
        entered.update(facts["row"][enters].tolist())
        return enters

    return pick


def _new_luck(
    setting: Setting, luck: Luck, decisions: Month, again: Ints, draw: np.random.Generator
) -> Luck:
    """Draw luck for the lives after time zero; what led to the decision itself stays as it was."""
    new = luck_of(setting, len(again), draw, months=FOLLOW_UP)
    month, row = decisions["month"][again], decisions["row"][again]
    for name in ("step", "ocs"):
        new.uniform[0, place_of(name)] = luck.uniform[month, place_of(name), row]
    return new


def _table(
    traits: Traits, course: Course, arms: Ints, entrant: Ints, lived: dict[str, npt.NDArray[Any]]
) -> pa.Table:
    facts = course.decisions
    row = facts["row"][entrant]
    arm = np.tile(arms, len(entrant) // len(arms))
    first_day = facts["day"][entrant]
    years = lived["day_count"].sum(axis=0) / YEAR_DAYS
    event = lived["attack"].any(axis=0)
    first = np.argmax(lived["attack"], axis=0)
    day = lived["attack_day"][first, np.arange(len(row))] - first_day
    time = np.where(event, day, lived["day_count"].sum(axis=0))
    known = ("age", "eos", "feno", "ige", "fev1_pct", "exac", "ocs_months", "step", "nasal_polyp",
             "atopic_dermatitis", "late_onset", "ses_low", "confounder")  # fmt: skip
    columns: dict[str, Any] = {
        "person": pa.array(traits.person[row]),
        "strategy": words(arm, ARMS),
        "date": dates(first_day),
        "hospital": words(traits.hospital[row], HOSPITALS),
        "chosen": words(facts["drug"][entrant], ARMS),
        "propensity": pa.array(_propensity(facts, arms)[entrant, _place(arm, arms)]),
        **{name: pa.array(facts[name][entrant], from_pandas=True) for name in known},
        "true_eos": pa.array(np.exp(traits.log_eos[row])),
        "true_feno": pa.array(np.exp(traits.log_feno[row])),
        "attacks": pa.array(lived["attack"].sum(axis=0)),
        "years": pa.array(years),
        "event": pa.array(event),
        "time": pa.array(time.astype(np.float64)),
        "fev1_slope": pa.array(_slope(lived["fev1_pct"], lived["active"]), from_pandas=True),
    }
    return pa.table(columns)


def _propensity(facts: Month, arms: Ints) -> Floats:
    """Return the probability of each strategy given that one of them happens, shape (n, arms)."""
    none = 1 - facts["p_drug"].sum(axis=1, keepdims=True)
    of_arms = np.column_stack([none, facts["p_drug"]])[:, arms]
    result: Floats = of_arms / of_arms.sum(axis=1, keepdims=True)
    return result


def _place(arm: Ints, arms: Ints) -> Ints:
    lookup = np.zeros(len(DRUGS) + 1, np.int64)
    lookup[arms] = np.arange(len(arms))
    return lookup[arm]


def _slope(fev1: Floats, active: Flags) -> Floats:
    """Return the slope by least squares, percent of predicted a year; NaN below three months."""
    y, on = fev1[SLOPE_FROM:], active[SLOPE_FROM:].astype(np.float64)
    t = (np.arange(SLOPE_FROM, len(fev1)) / 12)[:, None]
    count = np.maximum(on.sum(axis=0), 1)
    t_off = t - (on * t).sum(axis=0) / count
    y_off = y - (on * y).sum(axis=0) / count
    spread = (on * t_off**2).sum(axis=0)
    slope: Floats = np.full(len(spread), np.nan)
    np.divide((on * t_off * y_off).sum(axis=0), spread, out=slope, where=on.sum(axis=0) >= 3)
    return slope
