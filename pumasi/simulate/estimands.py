"""What a study may ask of two strategies, and the estimators that answer it on lives.

Every function takes rows of two arms and a weight per row; weights make the population: everyone,
the treated, or where both were likely (overlap). The truth of an estimand is its estimator on a
million lives of a simulated trial, with the Monte Carlo error that batches of them show.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.optimize import brentq

from pumasi.errors import ConfigError

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Population = Literal["all", "treated", "overlap"]
HORIZON = 365.0
# A log hazard ratio beyond this means an arm without an event.
_LARGEST_LOG = 20.0


@dataclass(frozen=True)
class Arms:
    """Rows of two strategies, each of shape (n,).

    `treated` says which of the two; `time` is in days to the first event or the end, `event`
    whether it came, `count` how many came in `years`; `slope` is a yearly change, NaN if unknown.
    """

    treated: Flags
    time: Floats
    event: Flags
    count: Floats
    years: Floats
    slope: Floats
    weight: Floats

    def take(self, rows: npt.NDArray[np.bool_]) -> Arms:
        """Return the rows for which `rows` is true."""
        return Arms(**{name: getattr(self, name)[rows] for name in Arms.__annotations__})


def hazard_ratio(arms: Arms) -> float:
    """Return the marginal hazard ratio: Cox with the strategy alone, ties by Breslow.

    NaN if there is no event in one of the arms.
    """
    day, place = np.unique(arms.time, return_inverse=True)
    at_risk, events = np.zeros((2, len(day))), np.zeros((2, len(day)))
    for arm in (0, 1):
        here = arms.treated == arm
        leaving = np.bincount(place[here], arms.weight[here], len(day))
        at_risk[arm] = leaving[::-1].cumsum()[::-1]
        events[arm] = np.bincount(place[here], (arms.weight * arms.event)[here], len(day))
    if not events.sum(axis=1).all():
        return float("nan")
    total = events.sum(axis=0)
    some = total > 0

    def score(log_ratio: float) -> float:
        risk = at_risk[1, some] * np.exp(log_ratio)
        return float(events[1].sum() - (total[some] * risk / (at_risk[0, some] + risk)).sum())

    return float(np.exp(brentq(score, -_LARGEST_LOG, _LARGEST_LOG, xtol=1e-10)))


def rate_ratio(arms: Arms) -> float:
    """Return the events a year of the treated over those of the others; NaN without an event."""
    rates = [
        (arms.weight * arms.count)[here].sum() / (arms.weight * arms.years)[here].sum()
        for here in (arms.treated, ~arms.treated)
    ]
    return float(rates[0] / rates[1]) if rates[1] > 0 else float("nan")


def rmst_difference(arms: Arms, horizon: float = HORIZON) -> float:
    """Return the days without an event up to `horizon` that the treated have more: Kaplan-Meier."""
    means = [_restricted_mean(arms.take(here), horizon) for here in (arms.treated, ~arms.treated)]
    return means[0] - means[1]


def _restricted_mean(arm: Arms, horizon: float) -> float:
    day, place = np.unique(arm.time, return_inverse=True)
    leaving = np.bincount(place, arm.weight)
    at_risk = leaving[::-1].cumsum()[::-1]
    events = np.bincount(place, arm.weight * arm.event)
    survival = np.cumprod(1 - events / at_risk)
    ends = np.minimum(np.concatenate([[0.0], day, [horizon]]), horizon)
    return float((np.diff(ends) * np.concatenate([[1.0], survival])).sum())


def slope_difference(arms: Arms) -> float:
    """Return how much the mean yearly change of the treated exceeds that of the others."""
    known = np.isfinite(arms.slope)
    means = [
        np.average(arms.slope[here & known], weights=arms.weight[here & known])
        for here in (arms.treated, ~arms.treated)
    ]
    return float(means[0] - means[1])


ESTIMANDS: dict[str, Callable[[Arms], float]] = {
    "hazard_ratio": hazard_ratio,
    "rate_ratio": rate_ratio,
    "rmst_difference": rmst_difference,
    "slope_difference": slope_difference,
}


def weights(propensity: Floats, treated: Flags, population: Population) -> Floats:
    """Return the weight of each life in `population`, from the probability of its own strategy.

    Every life is there under both strategies: no weight corrects for who was treated, weights only
    say who counts. The treated count by their probability of treatment, the overlap by e (1 - e).
    """
    e = np.where(treated, propensity, 1 - propensity)
    if population == "treated":
        return e
    if population == "overlap":
        overlap: Floats = e * (1 - e)
        return overlap
    return np.ones_like(e)


def arms_of(
    trial: pa.Table, treated: str, control: str, population: Population = "all"
) -> tuple[Arms, npt.NDArray[np.int64]]:
    """Return the two arms of a simulated trial, weighted to `population`, and each row's batch.

    Raises ConfigError when the trial has no such strategy.
    """
    strategy = trial["strategy"].cast(pa.string())
    rows = trial.filter(pc.is_in(strategy, pa.array([treated, control])))
    is_treated = np.asarray(pc.equal(rows["strategy"].cast(pa.string()), treated))
    if is_treated.all() or not is_treated.any():
        raise ConfigError(f"the trial has no arms {treated!r} and {control!r}")

    def column(name: str) -> Floats:
        return np.asarray(rows[name].to_numpy(), np.float64)

    # The trial may have more strategies than these two: the probability is among the two.
    own = column("propensity")
    other = own.reshape(-1, 2)[:, ::-1].ravel()
    return Arms(
        treated=is_treated,
        time=column("time"),
        event=column("event").astype(np.bool_),
        count=column("attacks"),
        years=column("years"),
        slope=column("fev1_slope"),
        weight=weights(own / (own + other), is_treated, population),
    ), np.asarray(rows["batch"].to_numpy(), np.int64)


@dataclass(frozen=True)
class Truth:
    """The value of an estimand in a world, its Monte Carlo standard error, and how many lives."""

    estimand: str
    treated: str
    control: str
    population: Population
    value: float
    error: float
    lives: int


def truth(
    trial: pa.Table, estimand: str, treated: str, control: str, population: Population = "all"
) -> Truth:
    """Return the truth of `estimand` (a name in ESTIMANDS) from the lives of a simulated trial.

    The error is the standard deviation of the batches' estimates over the root of their number;
    batches share no person. Raises ConfigError for an unknown estimand.
    """
    if estimand not in ESTIMANDS:
        raise ConfigError(f"there is no estimand {estimand!r}; there are {', '.join(ESTIMANDS)}")
    estimate = ESTIMANDS[estimand]
    arms, batch = arms_of(trial, treated, control, population)
    parts = np.array([estimate(arms.take(batch == number)) for number in np.unique(batch)])
    parts = parts[np.isfinite(parts)]
    error = float(parts.std(ddof=1) / np.sqrt(len(parts))) if len(parts) > 1 else float("nan")
    lives = int(arms.treated.sum())
    return Truth(estimand, treated, control, population, estimate(arms), error, lives)


def truths(trial: pa.Table, treated: str, control: str) -> list[Truth]:
    """Return the truth of every estimand in every population, for one contrast."""
    populations: tuple[Population, ...] = ("all", "treated", "overlap")
    return [
        truth(trial, estimand, treated, control, population)
        for estimand in ESTIMANDS
        for population in populations
    ]
