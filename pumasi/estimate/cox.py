"""Cox regression over hospitals, each hospital a stratum with a baseline hazard of its own.

The partial likelihood of a stratified model is a product over strata, and nobody is at risk in two:
its logarithm, score, information and the middle of its sandwich are sums over hospitals
(`pumasi.federation.queries.cox`, with formulas and citations). The maximum is that of the pooled
rows with the hospital as stratum: nothing is approximated, and no time leaves a hospital.
First exchange: sums by which the terms are standardised, and which of them may be used. Then one
exchange a step of Newton's method: p + 1 + p (p + 1) / 2 sums, and numbers of persons with and
without the event. Last, if asked for, the middle of the sandwich. What leaves is hidden in sums.

The ridge penalty is lambda / 2 times the sum of squares of the standardised coefficients (Verweij
and van Houwelingen, Statistics in Medicine 1994;13:2427-2436); the variance is then the inverse of
the penalised information.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pumasi.errors import EstimationError
from pumasi.estimate.newton import Point, maximise, newton_step, require_maximum, standardise
from pumasi.federation.network import Total, Totals
from pumasi.federation.queries import CoxMeat, CoxStep, FollowUp, Ties
from pumasi.federation.queries.cox import StratifiedCox
from pumasi.federation.queries.glm import symmetric
from pumasi.federation.query import Query
from pumasi.federation.rows import ALL_PERSONS, Floats, Keys

ADVICE = "is there a term that only persons without the event have? Use a ridge penalty"


@dataclass(frozen=True)
class Cox:
    """A model to be fitted.

    Args:
        follow_up: columns of the times and of the event.
        terms: columns and products of columns.
        flags: those of `terms` that have two levels: each level needs enough persons with and
            without the event, or the term is dropped at all hospitals.
        strata: columns; rows with other values in them have other baseline hazards.
        ties: what stands for events at one time.
        weights: column of case weights.
        offset: column of the offset.
        keys: persons who are learned from.
        penalty: lambda.
        robust: whether the variance is the sandwich by person.
        magnitude: size that the columns are expected to have.
    """

    follow_up: FollowUp
    terms: tuple[str, ...]
    flags: tuple[str, ...] = ()
    strata: tuple[str, ...] = ()
    ties: Ties = Ties.EFRON
    weights: str | None = None
    offset: str | None = None
    keys: Keys = ALL_PERSONS
    penalty: float = 0.0
    robust: bool = False
    magnitude: float = 1024.0


@dataclass(frozen=True)
class CoxResult:
    """A fitted model, on the scale of the columns.

    `coefficients` are log hazard ratios, (p,), in the order of `terms`, and `covariance` is theirs,
    (p, p). `null_log_likelihood` is that without any term. `gradient` is the relative norm at which
    it ended.
    """

    terms: tuple[str, ...]
    coefficients: Floats
    covariance: Floats
    log_likelihood: float
    null_log_likelihood: float
    persons: int
    events: int
    dropped: tuple[str, ...]
    exchanges: int
    gradient: float

    @property
    def standard_errors(self) -> Floats:
        """Of the coefficients, shape (p,)."""
        return np.sqrt(np.diag(self.covariance))


def fit_cox(network: Totals, model: Cox) -> CoxResult:
    """Fit the model over the hospitals of the network.

    Raises:
        EstimationError: terms are collinear, a coefficient has no finite value, or it does not
            converge; the message names the terms.
        SuppressedError: too few persons, with or without the event.
        FederationError: a hospital refused, or did not answer.
    """
    return _Fitting(network, model).result()


class _Fitting:
    """One model on its way: the standardised design, and the sums where it is."""

    def __init__(self, network: Totals, model: Cox) -> None:
        self.network, self.model = network, model
        self.exchanges = 0
        found = standardise(
            self._ask,
            model.terms,
            model.follow_up.event if model.flags else None,
            flags=model.flags,
            weights=model.weights,
            keys=model.keys,
            magnitude=model.magnitude,
        )
        self.design, self.dropped = found.design, found.dropped
        self.magnitude = expected_sums(found.weight)
        self.shape = ShapeOfLikelihood(self.design.terms, model.follow_up.event, model.penalty)

    def result(self) -> CoxResult:
        start = np.zeros(len(self.design.terms))
        found = maximise(self._points, [start], self._step, ADVICE)
        at, information = found.at[0], found.points[0].information
        likelihood = float(self.total["log_likelihood"])
        covariance = np.linalg.inv(information)
        events, persons = self.total.number("events"), self.total.number("persons")
        if self.model.robust:
            meat = symmetric(self._ask([self._query(CoxMeat, at)])[0]["meat"])
            covariance = covariance @ meat @ covariance
        spread = np.asarray(self.design.spread)
        return CoxResult(
            terms=self.design.terms,
            coefficients=at / spread,
            covariance=covariance / np.outer(spread, spread),
            log_likelihood=likelihood,
            null_log_likelihood=self.shape.null,
            persons=round(persons),
            events=round(events),
            dropped=self.dropped,
            exchanges=self.exchanges,
            gradient=float(found.gradients[0]),
        )

    def _points(self, at: list[Floats]) -> list[Point]:
        """One exchange: the sums where it is."""
        self.total = self._ask([self._query(CoxStep, at[0])])[0]
        point = Point(
            objective=float(self.total["log_likelihood"]),
            gradient=self.total["score"],
            information=symmetric(self.total["information"]),
        )
        return [self.shape.penalised(point, at[0])]

    def _step(self, point: Point) -> Floats:
        return newton_step(point, self.design.terms, "or is constant within every stratum")

    def _query(self, of: type[StratifiedCox], at: Floats) -> StratifiedCox:
        model = self.model
        return of(
            follow_up=model.follow_up,
            design=self.design,
            coefficients=tuple(map(float, at)),
            ties=model.ties,
            weights=model.weights,
            offset=model.offset,
            strata=model.strata,
            keys=model.keys,
            magnitude=self.magnitude,
        )

    def _ask(self, queries: Sequence[Query]) -> list[Total]:
        self.exchanges += 1
        return self.network.total(queries)


class ShapeOfLikelihood:
    """Whether a Cox model has a maximum: what its information at b = 0 and at b says.

    Args:
        terms: p of them, standardised.
        event: column of the event.
        penalty: lambda.

    Raises:
        EstimationError: there are no terms.
    """

    def __init__(self, terms: tuple[str, ...], event: str, penalty: float) -> None:
        if not terms:
            raise EstimationError(f"{event}: no term is left to be estimated")
        self.terms, self.event, self.penalty = terms, event, penalty
        self.first: Floats | None = None
        self.null = 0.0

    def penalised(self, point: Point, at: Floats) -> Point:
        """The point with the penalty.

        Args:
            point: of the likelihood alone; the first one is at b = 0.
            at: b, shape (p,).

        Raises:
            EstimationError: no event tells anything, or a coefficient has no finite value.
        """
        if self.first is None:
            self._require_information(point)
            self.first, self.null = point.information, point.objective
        elif self.penalty == 0:
            require_maximum(self.first, point.information, self.terms, "log hazard ratio")
        return Point(
            objective=float(point.objective - self.penalty * at @ at / 2),
            gradient=np.asarray(point.gradient - self.penalty * at),
            information=point.information + self.penalty * np.eye(len(at)),
        )

    def _require_information(self, point: Point) -> None:
        if np.trace(point.information) <= 1e-6:
            raise EstimationError(
                f"{self.event}: no event of a row with a weight, or none while rows that differ in "
                f"{', '.join(self.terms)} are at risk"
            )


def expected_sums(weight: float) -> float:
    """Size by which the sums of a Cox model are sent, from the sum of the case weights of all rows.

    A sum may exceed it four million times, divided by the number of hospitals, and is exact to
    1e-12 of it: both are room enough at 1/4096 of the rows.
    """
    return max(1.0, weight / 4096)
