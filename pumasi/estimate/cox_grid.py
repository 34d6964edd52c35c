"""Cox regression over hospitals with one baseline hazard of all, on a grid of times.

Hospitals of very different hazards want strata (`pumasi.estimate.cox`), which lose what differs
only between hospitals: an exposure that is given at few of them. Here everybody is compared with
everybody. All times are rounded up to the next edge of a grid that all hospitals share (`Grid`);
the fit is exactly the unstratified one of the pooled rows with rounded times, events in one
interval being ties. Against the times as they were it is an approximation, the nearer the finer the
grid. In public data, 9 to 15 intervals of ten events or more, the coefficients with Efron's ties
differ by 0.02 to 0.27 standard errors and with Breslow's by 0.13 to 0.5; with three intervals by up
to a whole one (`tests/estimate/test_cox_grid.py` prints it).

First exchange: sums by which the terms are standardised, and persons with an event in each
interval, of which adjacent ones are merged until each holds the minimum, and nobody or the minimum
moved from it to the next: left without event, entered, or went on with other covariates. From sums
at risk in two intervals could be computed the covariates of those. Nothing else is shown of what
was merged. Then one exchange a step of Newton's method: for each interval the sums S0, S1 and S2 of
w exp(eta), and of it times x and x x', over those at risk and (Efron) over those with the event,
with numbers of persons (`pumasi.federation.queries.cox_grid`). Last, if asked for, the middle of
the sandwich.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pumasi.estimate.cox import ADVICE, CoxResult, ShapeOfLikelihood, expected_sums
from pumasi.estimate.newton import Point, maximise, newton_step, standardise
from pumasi.estimate.survival import merged_edges
from pumasi.federation.network import Total, Totals
from pumasi.federation.queries import CoxGridMeat, CoxGridStep, EventGrid, FollowUp, Grid, Ties
from pumasi.federation.queries.cox import Addends
from pumasi.federation.queries.glm import symmetric
from pumasi.federation.query import Query
from pumasi.federation.rows import ALL_PERSONS, Floats, Keys


@dataclass(frozen=True)
class CoxGrid:
    """A model to be fitted.

    Args:
        follow_up: columns of the times and of the event.
        edges: of the grid, from the beginning on; nobody is followed beyond the last. It should
            come while enough persons without an event are still followed.
        terms: columns and products of columns.
        flags: those of `terms` that have two levels: each level needs enough persons with and
            without the event, or the term is dropped at all hospitals.
        ties: what stands for events in one interval.
        weights: column of case weights.
        offset: column of the offset.
        keys: persons who are learned from.
        penalty: of ridge, as in `pumasi.estimate.cox`.
        robust: whether the variance is the sandwich by person.
        magnitude: size that the columns are expected to have.
    """

    follow_up: FollowUp
    edges: tuple[float, ...]
    terms: tuple[str, ...]
    flags: tuple[str, ...] = ()
    ties: Ties = Ties.EFRON
    weights: str | None = None
    offset: str | None = None
    keys: Keys = ALL_PERSONS
    penalty: float = 0.0
    robust: bool = False
    magnitude: float = 1024.0


@dataclass(frozen=True)
class CoxGridResult(CoxResult):
    """As `CoxResult`, with the edges of the merged intervals that it was fitted on."""

    edges: tuple[float, ...]


def fit_cox_grid(network: Totals, model: CoxGrid) -> CoxGridResult:
    """Fit the model over the hospitals of the network.

    Raises:
        EstimationError: terms are collinear, a coefficient has no finite value, or it does not
            converge; the message names the terms.
        SuppressedError: too few persons with the event, or at risk without it in an interval.
        FederationError: a hospital refused, or did not answer.
    """
    return _Fitting(network, model).result()


class _Fitting:
    """One model on its way: the standardised design, the merged grid, and the sums where it is."""

    def __init__(self, network: Totals, model: CoxGrid) -> None:
        self.network, self.model = network, model
        self.exchanges = 0
        events = EventGrid(
            follow_up=model.follow_up,
            grid=Grid(edges=model.edges),
            weights=model.weights,
            keys=model.keys,
        )
        found = standardise(
            self._ask,
            model.terms,
            model.follow_up.event if model.flags else None,
            flags=model.flags,
            weights=model.weights,
            keys=model.keys,
            magnitude=model.magnitude,
            more=[events],
        )
        self.design, self.dropped = found.design, found.dropped
        self.magnitude = expected_sums(found.weight)
        self.edges = merged_edges(model.edges, found.more[0])
        self.shape = ShapeOfLikelihood(self.design.terms, model.follow_up.event, model.penalty)

    def result(self) -> CoxGridResult:
        start = np.zeros(len(self.design.terms))
        found = maximise(self._points, [start], self._step, ADVICE)
        at, information = found.at[0], found.points[0].information
        persons, events = self.total.number("persons"), float(self.total["events"].sum())
        likelihood, covariance = self.likelihood, np.linalg.inv(information)
        if self.model.robust:
            meat = symmetric(self._ask([self._meat(at)])[0]["meat"])
            covariance = covariance @ meat @ covariance
        spread = np.asarray(self.design.spread)
        return CoxGridResult(
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
            edges=self.edges,
        )

    def _points(self, at: list[Floats]) -> list[Point]:
        """One exchange: the sums where it is, and the partial likelihood of them."""
        step = CoxGridStep(**self._parameters(at[0]))
        self.total = total = self._ask([step])[0]
        addends = self._addends()
        p = len(self.design.terms)
        means = addends.means
        self.likelihood = total.number("linear") - addends.logarithm()
        point = Point(
            objective=self.likelihood,
            gradient=total["columns"] - addends.weight @ means[:, :p],
            information=symmetric(addends.weight @ means[:, p:])
            - (means[:, :p] * addends.weight[:, None]).T @ means[:, :p],
        )
        return [self.shape.penalised(point, at[0])]

    def _addends(self) -> Addends:
        total = self.total
        at_risk = total["at_risk"]
        tied = total["tied"] if self.model.ties is Ties.EFRON else np.zeros_like(at_risk)
        deaths = np.rint(total["deaths"]).astype(np.int64)
        return Addends.of(deaths, total["weight"], at_risk, tied, self.model.ties)

    def _step(self, point: Point) -> Floats:
        return newton_step(point, self.design.terms, "over the whole network")

    def _meat(self, at: Floats) -> CoxGridMeat:
        increments = self._addends().increments(len(self.design.terms))
        return CoxGridMeat(
            **self._parameters(at),
            hazard=_rows(increments.hazard),
            shared=_rows(increments.shared),
            expected=_rows(increments.expected),
        )

    def _parameters(self, at: Floats) -> dict[str, Any]:
        model = self.model
        return {
            "follow_up": model.follow_up,
            "grid": Grid(edges=self.edges),
            "design": self.design,
            "coefficients": tuple(map(float, at)),
            "ties": model.ties,
            "weights": model.weights,
            "offset": model.offset,
            "keys": model.keys,
            "magnitude": self.magnitude,
        }

    def _ask(self, queries: Sequence[Query]) -> list[Total]:
        self.exchanges += 1
        return self.network.total(queries)


def _rows(matrix: Floats) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(map(float, row)) for row in matrix)
