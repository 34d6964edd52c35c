"""Background morbidity: what falls ill, and dies, in people whatever their asthma or Fabry disease.

Each condition has a lifetime probability by sex and a lognormal age at onset; risks raise the
probability. A condition may follow from another after a lag. A doctor recognises part of them,
later than they begin. Death is Gompertz, times the hazard ratios of what a person has. Acute
events are Poisson; the negative controls among them depend on age and sex only, so that no drug
can matter.
Conditions that a disease model describes itself are left out for its patients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pumasi.simulate.columns import NEVER, YEAR_DAYS, Days, Flags, Floats, Ints, day_number
from pumasi.simulate.parameters import Parameters, parameters
from pumasi.simulate.population import People, onset_ages
from pumasi.simulate.world import World

# Korean obesity begins at 25 kg/m2 (clinical.md 2.10).
OBESE = 25.0


@dataclass(frozen=True)
class Morbidity:
    """Conditions of the persons of a chunk: days of onset and recognition, shape (names, persons).

    A condition that never begins, or that no doctor recognises, has the day NEVER.
    """

    names: tuple[str, ...]
    onset: Days
    recognised: Days

    def of(self, name: str) -> Days:
        """Return the days of onset of one condition, shape (persons,)."""
        onset: Days = self.onset[self.names.index(name)]
        return onset


@dataclass(frozen=True)
class Events:
    """Acute events: the person's row in the chunk, the place in `names`, and the day of each."""

    names: tuple[str, ...]
    row: Ints
    event: Ints
    day: Days


def blocks_of(name: str) -> Parameters:
    """Return the entries of a background block, without its source."""
    return {key: value for key, value in parameters("background")[name].items() if key != "src"}


def morbidity_of(draw: np.random.Generator, people: People) -> Morbidity:
    """Return the conditions of `people` over their whole lives, in the order of the parameters."""
    conditions, exceptions = blocks_of("conditions"), blocks_of("exceptions")
    rows = len(people.person)
    onset = np.full((len(conditions), rows), NEVER, np.int32)
    recognised = np.full((len(conditions), rows), NEVER, np.int32)
    names = tuple(conditions)
    for place, (name, condition) in enumerate(conditions.items()):
        if "after" in condition:
            began = _after(draw, condition, names, onset)
        else:
            began = _lifetime(draw, condition, names, onset, people)
        if name in exceptions["asthma"]:
            began[people.asthma] = NEVER
        if name in exceptions["carrier"]:
            began[people.carrier] = NEVER
        onset[place] = began
        recognised[place] = _recognised(draw, condition, began)
    return Morbidity(names, onset, recognised)


def deaths_of(
    draw: np.random.Generator, people: People, morbidity: Morbidity, world: World
) -> Days:
    """Return the day of death within the years of `world`, NEVER for who outlives them.

    Everyone is alive at entry. The hazard is taken anew at the beginning of each year of records.
    """
    block = parameters("background")["death"]
    growth = block["gompertz_growth_per_year"]
    median = np.where(people.female, block["median"]["F"], block["median"]["M"])
    rate = np.log(2) / np.expm1(growth * median)
    smoking = np.where(people.smoker, block["smoker_hr"], 1.0)
    left = draw.standard_exponential(len(people.person))
    death = np.full(len(people.person), NEVER, np.int32)
    for first, last in years_of(world):
        begin = np.maximum(people.entry, first)
        days = np.maximum(last - begin, 0)
        hazard = rate * smoking * _hazard_ratios(morbidity, begin)
        old = (begin - people.birth) / YEAR_DAYS
        spent = hazard * np.exp(growth * old) * np.expm1(growth * days / YEAR_DAYS)
        dies = (death == NEVER) & (spent > left)
        fraction = np.divide(left, spent, out=np.zeros_like(left), where=dies)
        # Not on the day of entry itself.
        death[dies] = (begin + np.maximum(1, fraction * days)).astype(np.int32)[dies]
        left = left - spent
    return death


def events_of(
    draw: np.random.Generator, people: People, morbidity: Morbidity, world: World
) -> Events:
    """Return the acute events from entry until death or the end, ordered by person and day."""
    events = blocks_of("events")
    stop = np.minimum(people.death, day_number(world.end))
    days = np.maximum(stop - people.entry, 0)
    middle = people.entry + days / 2
    decades = ((middle - people.birth) / YEAR_DAYS - 40) / 10
    found: list[tuple[Ints, int, Days]] = []
    for place, event in enumerate(events.values()):
        rate = event["rate"] / 1000 * event["per_decade"] ** decades * days / YEAR_DAYS
        if "women" in event:
            rate = rate * np.where(people.female, event["women"], 1.0)
        for cause, ratio in event.get("risks", {}).items():
            rate = rate * np.where(morbidity.of(cause) < middle, ratio, 1.0)
        row = np.repeat(np.arange(len(days)), draw.poisson(rate))
        day = people.entry[row] + (draw.random(len(row)) * days[row]).astype(np.int32)
        found.append((row, place, day))
    names = (*events, *acute_conditions())
    found += [_acute(name, names, people, morbidity, stop) for name in acute_conditions()]
    row = np.concatenate([r for r, _, _ in found])
    event_place = np.concatenate([np.full(len(r), p) for r, p, _ in found])
    day = np.concatenate([d for _, _, d in found])
    order = np.lexsort((event_place, day, row))
    return Events(names, row[order], event_place[order], day[order])


def years_of(world: World) -> list[tuple[int, int]]:
    """Return the first day of each year of records and the day after its last."""
    start, end = day_number(world.start), day_number(world.end)
    years = max(1, round((end - start) / YEAR_DAYS))
    edges = np.linspace(start, end, years + 1).astype(int)
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def event_name(condition: str) -> str:
    """Return the event that the onset of an acute condition is: dialysis start for ESKD."""
    name: str = blocks_of("conditions")[condition].get("event", condition)
    return name


def acute_conditions() -> dict[str, str]:
    """Return the acute conditions by the name of their event."""
    conditions = blocks_of("conditions")
    return {event_name(name): name for name, block in conditions.items() if "acute" in block}


def _acute(
    event: str, names: tuple[str, ...], people: People, morbidity: Morbidity, stop: Days
) -> tuple[Ints, int, Days]:
    onset = morbidity.of(acute_conditions()[event])
    row = np.flatnonzero((onset >= people.entry) & (onset < stop))
    return row, names.index(event), onset[row]


def _lifetime(
    draw: np.random.Generator,
    condition: Parameters,
    names: tuple[str, ...],
    onset: Days,
    people: People,
) -> Days:
    """Return the day on which a condition begins by its own lifetime probability."""
    probability = np.where(people.female, condition["p"][1], condition["p"][0])
    ratio = np.ones(len(probability))
    for cause, factor in condition.get("risks", {}).items():
        ratio = np.where(_has(cause, names, onset, people), ratio * factor, ratio)
    ever = draw.random(len(probability)) < 1 - (1 - probability) ** ratio
    row = np.flatnonzero(ever)
    began = np.full(len(probability), NEVER, np.int32)
    age = onset_ages(draw, condition["median"], condition["sigma"], len(row), high=110.0)
    began[row] = people.birth[row] + (age * YEAR_DAYS).astype(np.int32)
    return began


def _has(cause: str, names: tuple[str, ...], onset: Days, people: People) -> Flags:
    if cause == "smoker":
        return people.smoker
    if cause == "obese":
        obese: Flags = people.bmi >= OBESE
        return obese
    has: Flags = onset[names.index(cause)] < NEVER
    return has


def _after(
    draw: np.random.Generator, condition: Parameters, names: tuple[str, ...], onset: Days
) -> Days:
    """Return the day on which a consequence begins: a lag (exponential) after its cause."""
    causes = condition["after"]
    causes = [causes] if isinstance(causes, str) else causes
    first = np.min([onset[names.index(cause)] for cause in causes], axis=0)
    lag = draw.standard_exponential(len(first)) * condition["lag_years"] * YEAR_DAYS
    ever = (draw.random(len(first)) < condition["p"]) & (first < NEVER)
    began: Days = np.where(ever, first + lag.astype(np.int32), NEVER).astype(np.int32)
    return np.minimum(began, NEVER)


def _recognised(draw: np.random.Generator, condition: Parameters, onset: Days) -> Days:
    """Return when a doctor names it: at once if acute, else an exponential lag after onset."""
    row = np.flatnonzero(onset < NEVER)
    day = np.full(len(onset), NEVER, np.int32)
    lag = np.zeros(len(row))
    if "acute" not in condition:
        lag = draw.standard_exponential(len(row)) * condition["lag_years"] * YEAR_DAYS
    seen = draw.random(len(row)) < condition["recognised"]
    day[row] = np.where(seen, np.minimum(onset[row] + lag.astype(np.int32), NEVER), NEVER)
    return day


def _hazard_ratios(morbidity: Morbidity, day: npt.NDArray[np.integer]) -> Floats:
    ratio = np.ones(len(day))
    for name, condition in blocks_of("conditions").items():
        if "death_hr" in condition:
            ratio *= np.where(morbidity.of(name) < day, condition["death_hr"], 1.0)
    return ratio
