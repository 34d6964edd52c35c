"""Cox regression with one baseline hazard of all hospitals, on times of a grid that they share.

On the grid an interval is one time: its partial likelihood (`pumasi.federation.queries.cox`, with
formulas and citations) depends on the rows by sums over those at risk in the interval and over
those with the event, which are totals of hospitals.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pumasi.errors import QueryError
from pumasi.federation.queries.cox import CoxModel, Increments, Ties, score_residuals
from pumasi.federation.queries.follow_up import Grid, Indices, RiskSets, add_up
from pumasi.federation.queries.glm import lower_triangle
from pumasi.federation.queries.moments import case_weights
from pumasi.federation.queries.survival import moved_on, others_at_risk, persons_at
from pumasi.federation.query import Counts, Part, register
from pumasi.federation.rows import Floats, Rows


class _CoxGrid(CoxModel):
    """What both queries of a Cox model on a grid have.

    Args:
        grid: m intervals.
    """

    grid: Grid

    def placed(self, rows: Rows) -> tuple[Rows, Indices, Indices, Indices]:
        """The rows that are at risk in an interval, and `Grid.on_grid` of them."""
        start, stop = self.follow_up.times(rows)
        event = self.follow_up.events(rows).astype(np.int64)
        first, last, event = self.grid.on_grid(rows.person, start, stop, event)
        inside = last > first
        return rows.where(inside), first[inside], last[inside], event[inside]

    def subsets(self, rows: Rows) -> list[Rows]:
        """Every set of rows that some part of the answer is computed of."""
        return [self.placed(rows)[0]]

    def risk(self, rows: Rows, x: Floats) -> Floats:
        """w exp(eta), shape (n,)."""
        # What overflows is not finite and does not leave.
        with np.errstate(over="ignore"):
            return np.asarray(case_weights(rows, self.weights) * np.exp(self.eta(rows, x)))

    def cells(self) -> tuple[Part, ...]:
        """What both count."""
        return (
            Part("persons", (), counts=Counts.PERSONS),
            Part("events", (self.grid.size,), counts=Counts.OUTCOME),
            Part("others", (self.grid.size,), counts=Counts.OUTCOME),
            Part("moved", (self.grid.size - 1,), counts=Counts.PERSONS, none_passes=True),
        )

    def counted(
        self, rows: Rows, first: Indices, last: Indices, event: Indices
    ) -> dict[str, Floats]:
        """Persons, and by interval those with the event, at risk without it, and who moved on."""
        m = self.grid.size
        return {
            "persons": np.asarray(float(rows.persons())),
            "events": persons_at(rows, last - 1, event > 0, m),
            "others": others_at_risk(rows, first, last, event > 0, m),
            "moved": moved_on(rows, first, last, event > 0, m),
        }


@register
class CoxGridStep(_CoxGrid):
    """Sums over those at risk and over those with the event in each interval.

    Parts: `persons`; `events` and `others`, persons at risk with and without the event, (m,);
    `moved`, persons who moved from an interval to the next (`queries.survival`), (m - 1,);
    `deaths` and `weight`, rows with the event and their case weights, (m,); `linear`, sum of w eta
    over events; `columns`, sum of w x over events, (p,); `at_risk`, (m, 1 + p + p (p + 1) / 2):
    sums of w exp(eta) times 1, x and the lower triangle of x x' over those at risk; `tied`, the
    same over those with the event (Efron only).
    """

    name: ClassVar[str] = "cox_grid_step"

    def parts(self) -> tuple[Part, ...]:
        """See the class."""
        m, p, scale = self.grid.size, len(self.design.terms), self.magnitude
        k = 1 + p + p * (p + 1) // 2
        return (
            *self.cells(),
            Part("deaths", (m,), scale=scale),
            Part("weight", (m,), scale=scale),
            Part("linear", (), scale=scale),
            Part("columns", (p,), scale=scale),
            Part("at_risk", (m, k), scale=scale),
            *((Part("tied", (m, k), scale=scale),) if self.ties is Ties.EFRON else ()),
        )

    def compute(self, rows: Rows) -> Mapping[str, Floats]:
        """See the class."""
        rows, first, last, event = self.placed(rows)
        x, m = self.design.matrix(rows), self.grid.size
        weights, has, time = case_weights(rows, self.weights), event > 0, last[event > 0] - 1
        one, other = np.tril_indices(x.shape[1])
        columns = np.column_stack([np.ones(len(rows)), x, x[:, one] * x[:, other]])
        values = self.risk(rows, x)[:, None] * columns
        found = {
            **self.counted(rows, first, last, event),
            "deaths": np.bincount(time, minlength=m).astype(np.float64),
            "weight": add_up(time, weights[has][:, None], m)[:, 0],
            "linear": np.asarray(weights[has] @ self.eta(rows, x)[has]),
            "columns": weights[has] @ x[has],
            "at_risk": RiskSets(first, last, m).at_risk(values),
        }
        if self.ties is Ties.EFRON:
            found["tied"] = add_up(time, values[has], m)
        return found


@register
class CoxGridMeat(_CoxGrid):
    """The middle of the sandwich: sum over persons of u u', u the person's summed score residuals.

    Lin and Wei, JASA 1989;84:1074-1078. Hazards and means are those of all hospitals, from sums
    that were told before.

    Args:
        hazard: of the baseline in each interval, and times the mean of each term, (m, 1 + p).
        shared: what a row with the event has less, since it shares the risk of the others (Efron;
            0 of Breslow), (m, 1 + p).
        expected: mean of the terms of an event in each interval, (m, p).

    Parts: `persons`; `events` and `others`, (m,); `moved`, (m - 1,); `meat`, the lower triangle by
    rows.
    """

    name: ClassVar[str] = "cox_grid_meat"

    hazard: tuple[tuple[float, ...], ...]
    shared: tuple[tuple[float, ...], ...]
    expected: tuple[tuple[float, ...], ...]

    def parts(self) -> tuple[Part, ...]:
        """See the class."""
        p = len(self.design.terms)
        return (*self.cells(), Part("meat", (p * (p + 1) // 2,), scale=self.magnitude))

    def increments(self) -> Increments:
        """The arguments as arrays.

        Raises:
            QueryError: they do not fit grid and terms.
        """
        m, p = self.grid.size, len(self.design.terms)
        found = []
        for rows, width in ((self.hazard, 1 + p), (self.shared, 1 + p), (self.expected, p)):
            if len(rows) != m or any(len(row) != width for row in rows):
                raise QueryError("hazards and means need one row an interval, one number a term")
            found.append(np.array(rows))
        return Increments(*found)

    def compute(self, rows: Rows) -> Mapping[str, Floats]:
        """See the class."""
        rows, first, last, event = self.placed(rows)
        x, has = self.design.matrix(rows), event > 0
        residuals = score_residuals(
            self.increments(),
            x,
            self.risk(rows, x),
            np.where(has, case_weights(rows, self.weights), 0.0),
            RiskSets(first, last, self.grid.size),
            has,
            last[has] - 1,
        )
        u = rows.by_person(residuals)
        return {**self.counted(rows, first, last, event), "meat": lower_triangle(u.T @ u)}
