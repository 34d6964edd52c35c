"""Kaplan and Meier's estimate and cumulative incidence over hospitals, on a grid of times.

All times are rounded up to the next edge of a grid that all hospitals share (`Grid`); the estimates
are then exactly those of the pooled rows with rounded times. With d(k, j) persons with an event of
cause k in interval j, d(j) of any cause, and n(j) at risk in it, and S(j) the probability of no
event up to its end,

    S(j) = S(j - 1) (1 - d(j) / n(j))                   var S(j) = S(j)^2 sum d / (n (n - d))
    I(k, j) = I(k, j - 1) + S(j - 1) d(k, j) / n(j)

with all sums over the intervals up to j (Kaplan and Meier, JASA 1958;53:457-481; Greenwood 1926;
Aalen and Johansen, Scand J Statist 1978;5:141-150). The variance of I is that of the delta method
(Marubini and Valsecchi, Analysing Survival Data, 1995, 10.3)

    sum (I(k, j) - I(k, i))^2 d / (n (n - d)) + S(i - 1)^2 d(k) (n - d(k)) / n^3
        - 2 (I(k, j) - I(k, i)) S(i - 1) d(k) / n^2

over i up to j, with d, d(k) and n at i. Intervals of confidence are symmetric for
log(-log) of the probability (Kalbfleisch and Prentice, The Statistical Analysis of Failure Time
Data, 1980, 1.3).

First exchange: persons with an event in each interval, of which adjacent ones are merged until each
has the minimum in every group and of every cause, and nobody or the minimum moved from it to the
next; nothing else is shown of what was merged. Second: persons with an event and at risk without
one, by group and merged interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import norm

from pumasi.federation.network import Total, Totals
from pumasi.federation.queries import (
    EventGrid,
    EventGridByGroup,
    FollowUp,
    Grid,
    SurvivalTable,
    SurvivalTableByGroup,
)
from pumasi.federation.rows import ALL_PERSONS, Floats, Keys


@dataclass(frozen=True)
class Survival:
    """Curves to be estimated.

    Args:
        follow_up: columns of the times and of the event.
        edges: of the grid, from the beginning on; nobody is followed beyond the last. It should
            come while enough persons without an event are still followed.
        causes: how many causes of the event are told apart; its column holds their number.
        by: column of the group; None for one curve of all.
        levels: values of `by`.
        keys: persons who are counted.
        confidence: of the intervals.
    """

    follow_up: FollowUp
    edges: tuple[float, ...]
    causes: int = 1
    by: str | None = None
    levels: tuple[float, ...] = ()
    keys: Keys = ALL_PERSONS
    confidence: float = 0.95


@dataclass(frozen=True)
class Curve:
    """A probability at the ends of m intervals, of one group and, of an incidence, one cause.

    `times` are the right edges; all others are of shape (m,), too: `at_risk` persons at risk,
    `events` those with an event, `probability`, of no event or of an event of the cause up to the
    time, its `variance` and the interval from `lower` to `upper`.
    """

    level: float | None
    cause: int | None
    times: Floats
    at_risk: Floats
    events: Floats
    probability: Floats
    variance: Floats
    lower: Floats
    upper: Floats


def kaplan_meier(network: Totals, model: Survival) -> list[Curve]:
    """The probability of no event, of any cause, in each group.

    Raises:
        SuppressedError: too few persons with an event, or at risk without one in an interval.
        FederationError: a hospital refused, or did not answer.
    """
    times, table = _table(network, model)
    curves = []
    for group, level in enumerate(model.levels or (None,)):
        events = table["events"][group].sum(axis=0)
        at_risk = table["others"][group] + events
        survival = np.cumprod(1 - events / at_risk)
        variance = survival**2 * np.cumsum(events / (at_risk * (at_risk - events)))
        bounds = log_log_interval(survival, variance, model.confidence)
        curves.append(Curve(level, None, times, at_risk, events, survival, variance, *bounds))
    return curves


def cumulative_incidence(network: Totals, model: Survival) -> list[Curve]:
    """The probability of an event of each cause while others compete, in each group.

    Raises:
        SuppressedError: too few persons with an event, or at risk without one in an interval.
        FederationError: a hospital refused, or did not answer.
    """
    times, table = _table(network, model)
    curves = []
    for group, level in enumerate(model.levels or (None,)):
        every = table["events"][group]
        at_risk = table["others"][group] + every.sum(axis=0)
        for cause, events in enumerate(every, start=1):
            found = _incidence(events, every.sum(axis=0), at_risk)
            bounds = log_log_interval(*found, model.confidence)
            curves.append(Curve(level, cause, times, at_risk, events, *found, *bounds))
    return curves


def merged_edges(edges: tuple[float, ...], total: Total) -> tuple[float, ...]:
    """The edges of the intervals that an event grid shows."""
    events = total["events"].reshape(-1, len(edges) - 1)
    shown = np.asarray(np.isfinite(events).all(axis=0))
    return (edges[0], *(edge for edge, last in zip(edges[1:], shown, strict=True) if last))


def log_log_interval(
    probability: Floats, variance: Floats, confidence: float
) -> tuple[Floats, Floats]:
    """Bounds that are symmetric for log(-log p), each of the shape of `probability`."""
    logarithm = np.log(probability)
    width = norm.ppf((1 + confidence) / 2) * np.sqrt(variance) / (probability * -logarithm)
    bounds = np.exp(logarithm * np.exp(width)), np.exp(logarithm * np.exp(-width))
    return np.asarray(bounds[0]), np.asarray(bounds[1])


def _table(network: Totals, model: Survival) -> tuple[Floats, Total]:
    """Two exchanges: the right edges that may be asked for, and the table of them."""
    common: dict[str, Any] = {
        "follow_up": model.follow_up,
        "causes": model.causes,
        "keys": model.keys,
    }
    grid = Grid(edges=model.edges)
    if model.by is None:
        [found] = network.total([EventGrid(grid=grid, **common)])
        grid = Grid(edges=merged_edges(model.edges, found))
        [table] = network.total([SurvivalTable(grid=grid, **common)])
    else:
        common |= {"by": model.by, "levels": model.levels}
        [found] = network.total([EventGridByGroup(grid=grid, **common)])
        grid = Grid(edges=merged_edges(model.edges, found))
        [table] = network.total([SurvivalTableByGroup(grid=grid, **common)])
    return np.array(grid.edges[1:]), table


def _incidence(events: Floats, every: Floats, at_risk: Floats) -> tuple[Floats, Floats]:
    """Cumulative incidence and its variance, each of shape (m,)."""
    survival = np.cumprod(1 - every / at_risk)
    before = np.append(1.0, survival[:-1])
    found = np.cumsum(before * events / at_risk)
    later = found[:, None] - found[None, :]
    terms = (
        later**2 * (every / (at_risk * (at_risk - every)))
        + before**2 * events * (at_risk - events) / at_risk**3
        - 2 * later * before * events / at_risk**2
    )
    return found, np.tril(terms).sum(axis=1)
