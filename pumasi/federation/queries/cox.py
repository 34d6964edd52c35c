"""Cox regression, each hospital a stratum: what one step of Newton's method needs.

A row is followed over (start, stop], with linear predictor eta = x b + offset and case weight w. At
a time t of events of a stratum, with D(t) those who have it and R(t) those at risk,
start < t <= stop, the logarithm of the partial likelihood is (Cox, JRSS B 1972;34:187-220)

    Breslow: sum_D w eta - (sum_D w) log sum_R w exp(eta)
    Efron:   sum_D w eta - (sum_D w / d) sum_l log(sum_R w exp(eta) - l / d sum_D w exp(eta))

with l from 0 to d - 1, d the number of rows in D(t) (Breslow, Biometrics 1974;30:89-99; Efron, JASA
1977;72:557-565; weights as in Therneau and Grambsch, Modeling Survival Data, 2000, 3.3 and 7.1).
Nobody is at risk in two hospitals' strata, so everything is a sum over hospitals; rows that were
pooled know their hospital. A row of weight 0 is as if it were not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

import numpy as np

from pumasi.errors import QueryError
from pumasi.federation.queries.follow_up import FollowUp, Indices, RiskSets, add_up, risk_sets
from pumasi.federation.queries.glm import lower_triangle
from pumasi.federation.queries.moments import Weighted, case_weights
from pumasi.federation.query import Counts, Kind, Part, register
from pumasi.federation.rows import Bools, Design, Floats, Rows

COUNTED = (
    Part("persons", (), counts=Counts.PERSONS),
    Part("events", (), counts=Counts.OUTCOME),
    Part("others", (), counts=Counts.OUTCOME),
)


class Ties(StrEnum):
    """What stands for events at one time."""

    EFRON = "efron"
    BRESLOW = "breslow"


class CoxModel(Weighted):
    """What all queries of a Cox model have.

    Args:
        follow_up: columns of the times and of the event.
        design: the terms, p of them, without an intercept.
        coefficients: b, one per term.
        ties: what stands for events at one time.
        offset: column that is added to the linear predictor; None for 0.
        magnitude: size that the sums are expected to have.
    """

    kind: ClassVar[Kind] = Kind.LEARNING

    follow_up: FollowUp
    design: Design
    coefficients: tuple[float, ...]
    ties: Ties = Ties.EFRON
    offset: str | None = None
    magnitude: float = 1.0

    def eta(self, rows: Rows, x: Floats) -> Floats:
        """The linear predictor, shape (n,).

        Raises:
            QueryError: there is not one coefficient a term.
        """
        if len(self.coefficients) != len(self.design.terms):
            raise QueryError("a Cox model needs one coefficient a term")
        offset = 0.0 if self.offset is None else rows.column(self.offset)
        return np.asarray(x @ np.asarray(self.coefficients) + offset)

    def influence(self, rows: Rows) -> Floats | None:
        """The weight of each row in the sums over those at risk, w exp(eta), shape (n, 1).

        Up to a factor, and None if no row has a weight.
        """
        weights = case_weights(rows, self.weights)
        if not (weights > 0).any():
            return None
        eta = self.eta(rows, self.design.matrix(rows))
        risk = weights * np.exp(np.minimum(eta - eta[weights > 0].max(), 0.0))
        return np.asarray(risk[:, None])


class StratifiedCox(CoxModel):
    """A Cox model in which each hospital is a stratum.

    Args:
        strata: columns; rows with other values in them are other strata of a hospital.
    """

    strata: tuple[str, ...] = ()

    def likelihood(self, rows: Rows) -> PartialLikelihood:
        """Of rows that all have a weight."""
        x = self.design.matrix(rows)
        start, stop = self.follow_up.times(rows)
        apart = [rows.hospital.astype(np.float64), *(rows.column(name) for name in self.strata)]
        _, stratum = np.unique(np.column_stack(apart), axis=0, return_inverse=True)
        return PartialLikelihood(
            x,
            self.eta(rows, x),
            case_weights(rows, self.weights),
            start,
            stop,
            self.follow_up.events(rows),
            stratum.ravel(),
            self.ties,
        )


@register
class CoxStep(StratifiedCox):
    """Log-likelihood, score and information.

    Parts: `persons`; `events` and `others`, persons with and without the event; `log_likelihood`;
    `score`, (p,), and `information`, (p (p + 1) / 2,), the lower triangle by rows.
    """

    name: ClassVar[str] = "cox_step"

    def parts(self) -> tuple[Part, ...]:
        """See the class."""
        p = len(self.design.terms)
        return (
            *COUNTED,
            Part("log_likelihood", (), scale=self.magnitude),
            Part("score", (p,), scale=self.magnitude),
            Part("information", (p * (p + 1) // 2,), scale=self.magnitude),
        )

    def compute(self, rows: Rows) -> Mapping[str, Floats]:
        """See the class."""
        found = self.likelihood(rows)
        return {
            **counted(rows, self.follow_up.events(rows)),
            "log_likelihood": np.asarray(found.log_likelihood),
            "score": found.score(),
            "information": lower_triangle(found.information()),
        }


@register
class CoxMeat(StratifiedCox):
    """The middle of the sandwich: sum over persons of u u', u the person's summed score residuals.

    Lin and Wei, JASA 1989;84:1074-1078; with Efron's ties as in Therneau and Grambsch, 7.2.

    Parts: `persons`; `events` and `others`; `meat`, the lower triangle by rows.
    """

    name: ClassVar[str] = "cox_meat"

    def parts(self) -> tuple[Part, ...]:
        """See the class."""
        p = len(self.design.terms)
        return (
            *COUNTED,
            Part("meat", (p * (p + 1) // 2,), scale=self.magnitude),
        )

    def compute(self, rows: Rows) -> Mapping[str, Floats]:
        """See the class."""
        u = rows.by_person(self.likelihood(rows).residuals())
        return {
            **counted(rows, self.follow_up.events(rows)),
            "meat": lower_triangle(u.T @ u),
        }


class PartialLikelihood:
    """The partial likelihood of n rows and its derivatives by b.

    Score and information are sums over rows of w exp(eta) times the hazard of the times at which
    the row is at risk, and over addends of means: no matrix per time is needed.

    Args:
        x: the terms, shape (n, p).
        eta: linear predictor, shape (n,), as all others.
        weights: case weights, above 0.
        start: beginning of each row.
        stop: end.
        event: whether it happened at the end.
        stratum: numbers of the strata, from 0.
        ties: what stands for events at one time.
    """

    def __init__(
        self,
        x: Floats,
        eta: Floats,
        weights: Floats,
        start: Floats,
        stop: Floats,
        event: Bools,
        stratum: Indices,
        ties: Ties,
    ) -> None:
        self.x, self.event = x, event
        # A stratum's largest exp(eta) is 1: the likelihood does not see it.
        largest = np.full(stratum.max(initial=-1) + 1, -np.inf)
        np.maximum.at(largest, stratum, eta)
        eta = eta - largest[stratum]
        self.risk = weights * np.exp(eta)
        self.event_weights = np.where(event, weights, 0.0)
        self.sets, self.time = risk_sets(start, stop, event, stratum)
        size = self.sets.times
        both = np.column_stack([self.risk, self.risk[:, None] * x])
        weight = add_up(self.time, weights[event][:, None], size)[:, 0]
        self.addends = Addends.of(
            np.bincount(self.time, minlength=size),
            weight,
            self.sets.at_risk(both),
            add_up(self.time, both[event], size),
            ties,
        )
        self.log_likelihood = float(self.event_weights @ eta) - self.addends.logarithm()
        self.cumulative = self.addends.increments(0).over_rows(self.sets, event, self.time)[:, 0]

    def score(self) -> Floats:
        """Derivatives by b, shape (p,)."""
        return np.asarray((self.event_weights - self.risk * self.cumulative) @ self.x)

    def information(self) -> Floats:
        """Minus the second derivatives, shape (p, p)."""
        squares = (self.x * (self.risk * self.cumulative)[:, None]).T @ self.x
        means, weight = self.addends.means, self.addends.weight
        return np.asarray(squares - (means * weight[:, None]).T @ means)

    def residuals(self) -> Floats:
        """Score residuals, weighted, shape (n, p); their sum is the score."""
        increments = self.addends.increments(self.x.shape[1])
        return score_residuals(
            increments, self.x, self.risk, self.event_weights, self.sets, self.event, self.time
        )


@dataclass(frozen=True)
class Addends:
    """The addends of a partial likelihood, a of them: one a time (Breslow) or an event (Efron).

    Args:
        number: number of the time of each, shape (a,).
        fraction: f, shape (a,).
        weight: how much each counts, shape (a,).
        sums: over those at risk less f times those with the event, shape (a, 1 + k): of w exp(eta)
            and of w exp(eta) times k columns.
        times: K.
    """

    number: Indices
    fraction: Floats
    weight: Floats
    sums: Floats
    times: int

    @classmethod
    def of(
        cls, deaths: Indices, weight: Floats, at_risk: Floats, tied: Floats, ties: Ties
    ) -> Addends:
        """The addends of K times.

        Args:
            deaths: rows with the event at each time, shape (K,).
            weight: sum of their case weights, shape (K,).
            at_risk: sums over those at risk, shape (K, 1 + k).
            tied: sums over those with the event, shape (K, 1 + k).
            ties: what stands for events at one time.
        """
        number, fraction = np.arange(len(deaths)), np.zeros(len(deaths))
        if ties is Ties.EFRON:
            number = np.repeat(number, deaths)
            place = np.arange(len(number)) - np.repeat(np.cumsum(deaths) - deaths, deaths)
            fraction, weight = place / deaths[number], (weight / np.maximum(deaths, 1))[number]
        sums = at_risk[number] - fraction[:, None] * tied[number]
        return cls(number, fraction, weight, sums, len(deaths))

    @property
    def means(self) -> Floats:
        """Means of the columns over those at risk, shape (a, k)."""
        # Coefficients beyond all range make a sum 0; what is not finite does not leave.
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.sums[:, 1:] / self.sums[:, :1])

    def logarithm(self) -> float:
        """What the addends take from the log-likelihood."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(self.weight @ np.log(self.sums[:, 0]))

    def increments(self, p: int) -> Increments:
        """What each time adds to the score residuals of p of the columns."""
        with np.errstate(divide="ignore", invalid="ignore"):
            hazard = (self.weight / self.sums[:, 0])[:, None]
        means = self.means[:, :p]
        of_addend = hazard * np.column_stack([np.ones(len(means)), means])
        total = add_up(self.number, self.weight[:, None], self.times)
        expected = add_up(self.number, self.weight[:, None] * means, self.times)
        return Increments(
            hazard=add_up(self.number, of_addend, self.times),
            shared=add_up(self.number, self.fraction[:, None] * of_addend, self.times),
            expected=expected / np.where(total > 0, total, 1.0),
        )


@dataclass(frozen=True)
class Increments:
    """What each of K times adds to the score residuals of those at risk.

    Args:
        hazard: of the baseline, and times the mean of p columns, shape (K, 1 + p).
        shared: what a row with the event has less, since it shares the risk of the others at its
            time: f of each addend, shape (K, 1 + p).
        expected: mean of the columns of an event, shape (K, p).
    """

    hazard: Floats
    shared: Floats
    expected: Floats

    def over_rows(self, sets: RiskSets, event: Bools, time: Indices) -> Floats:
        """Sum over the times at which each row is at risk, shape (n, 1 + p).

        Args:
            sets: who is at risk when.
            event: which rows have the event, shape (n,).
            time: number of the time of each of these.
        """
        found = sets.over_times(self.hazard)
        found[event] -= self.shared[time]
        return found


def score_residuals(
    increments: Increments,
    x: Floats,
    risk: Floats,
    event_weights: Floats,
    sets: RiskSets,
    event: Bools,
    time: Indices,
) -> Floats:
    """Weighted score residuals, shape (n, p).

    Args:
        increments: what each time adds.
        x: the terms, shape (n, p).
        risk: w exp(eta), shape (n,).
        event_weights: w of rows with the event, 0 of others, shape (n,).
        sets: who is at risk when.
        event: which rows have the event, shape (n,).
        time: number of the time of each of these.
    """
    over = increments.over_rows(sets, event, time)
    found = -risk[:, None] * (over[:, :1] * x - over[:, 1:])
    found[event] += event_weights[event][:, None] * (x[event] - increments.expected[time])
    return found


def counted(rows: Rows, event: Bools) -> dict[str, Floats]:
    """Persons, and those with and without the event."""
    persons, events = float(rows.persons()), float(rows.persons(event))
    return {
        "persons": np.asarray(persons),
        "events": np.asarray(events),
        "others": np.asarray(persons - events),
    }
