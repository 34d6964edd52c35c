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
from enum import StrEnum
from typing import ClassVar

import numpy as np

from pumasi.errors import QueryError
from pumasi.federation.queries.follow_up import FollowUp, Indices, add_up, risk_sets
from pumasi.federation.queries.glm import lower_triangle
from pumasi.federation.queries.moments import case_weights
from pumasi.federation.query import Counts, Kind, Part, Query, register
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


class CoxModel(Query):
    """What all queries of a Cox model have.

    Args:
        follow_up: columns of the times and of the event.
        design: the terms, p of them, without an intercept.
        coefficients: b, one per term.
        ties: what stands for events at one time.
        weights: column of case weights; None for 1 each.
        offset: column that is added to the linear predictor; None for 0.
        magnitude: size that the sums are expected to have.
    """

    kind: ClassVar[Kind] = Kind.LEARNING

    follow_up: FollowUp
    design: Design
    coefficients: tuple[float, ...]
    ties: Ties = Ties.EFRON
    weights: str | None = None
    offset: str | None = None
    magnitude: float = 1.0

    def weighing(self, rows: Rows) -> Rows:
        """The rows with a weight."""
        return rows.where(case_weights(rows, self.weights) > 0)

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
        rows = self.weighing(rows)
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
        rows = self.weighing(rows)
        u = rows.by_person(self.likelihood(rows).residuals())
        return {
            **counted(rows, self.follow_up.events(rows)),
            "meat": lower_triangle(u.T @ u),
        }


class PartialLikelihood:
    """The partial likelihood of n rows and its derivatives by b.

    Its addends are one per time of events (Breslow) or per event (Efron): weight, time k and
    fraction f, with sum over R(k) of w exp(eta) less f times that over D(k). All are sums of the
    hazards of addends, weight over that sum, over the times at which a row is at risk, so that no
    matrix per time is needed.

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
        at_risk, tied = self.sets.at_risk(both), add_up(self.time, both[event], size)
        weight = add_up(self.time, weights[event][:, None], size)[:, 0]
        deaths = np.bincount(self.time, minlength=size)
        self.number, self.fraction, self.weight = addends(deaths, weight, ties)
        sums = at_risk[self.number] - self.fraction[:, None] * tied[self.number]
        # Coefficients beyond all range make a sum 0; what is not finite does not leave.
        with np.errstate(divide="ignore", invalid="ignore"):
            self.hazard = self.weight / sums[:, 0]
            self.means = sums[:, 1:] / sums[:, :1]
            logarithms = np.log(sums[:, 0])
        self.log_likelihood = float(self.event_weights @ eta - self.weight @ logarithms)
        self.cumulative = self._cumulated(np.ones((len(self.hazard), 1)))[:, 0]

    def _cumulated(self, values: Floats) -> Floats:
        """Sum over addends at which a row is at risk of hazard times `values`, shape (n, k).

        An event shares the risk of the others at its time: it counts 1 - f of an addend.
        """
        of_addend = self.hazard[:, None] * values
        size = self.sets.times
        found = self.sets.over_times(add_up(self.number, of_addend, size))
        less = add_up(self.number, self.fraction[:, None] * of_addend, size)
        found[self.event] -= less[self.time]
        return found

    def score(self) -> Floats:
        """Derivatives by b, shape (p,)."""
        return np.asarray((self.event_weights - self.risk * self.cumulative) @ self.x)

    def information(self) -> Floats:
        """Minus the second derivatives, shape (p, p)."""
        squares = (self.x * (self.risk * self.cumulative)[:, None]).T @ self.x
        return np.asarray(squares - (self.means * self.weight[:, None]).T @ self.means)

    def residuals(self) -> Floats:
        """Score residuals, weighted, shape (n, p); their sum is the score."""
        size = self.sets.times
        found = -self.risk[:, None] * (
            self.cumulative[:, None] * self.x - self._cumulated(self.means)
        )
        weight = add_up(self.number, self.weight[:, None], size)
        expected = add_up(self.number, self.weight[:, None] * self.means, size) / weight
        own = self.x[self.event] - expected[self.time]
        found[self.event] += self.event_weights[self.event][:, None] * own
        return found


def counted(rows: Rows, event: Bools) -> dict[str, Floats]:
    """Persons, and those with and without the event."""
    persons, events = float(rows.persons()), float(rows.persons(event))
    return {
        "persons": np.asarray(persons),
        "events": np.asarray(events),
        "others": np.asarray(persons - events),
    }


def addends(deaths: Indices, weight: Floats, ties: Ties) -> tuple[Indices, Floats, Floats]:
    """The addends of the partial likelihood: time, fraction f and weight, each of shape (a,).

    Args:
        deaths: rows with the event at each time, shape (K,).
        weight: sum of their case weights, shape (K,).
        ties: what stands for events at one time.
    """
    if ties is Ties.BRESLOW:
        number = np.arange(len(deaths))
        return number, np.zeros(len(deaths)), weight
    number = np.repeat(np.arange(len(deaths)), deaths)
    place = np.arange(len(number)) - np.repeat(np.cumsum(deaths) - deaths, deaths)
    return number, place / deaths[number], weight[number] / deaths[number]
