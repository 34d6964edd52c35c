"""Logistic regression, of which a person can change little: for answers with noise.

A term is taken within bounds that the query states, and scaled so that they are -1 and 1. A row
weighs 1 / (rows of its person), so that a person counts once (Williamson, Datta and Satten,
Biometrics 2003;59:36-42).

In a step, with r the size of a residual, a row then adds a score of length r |x| <= r sqrt(q) and
an information, r (1 - r) x x', whose lower triangle is at most r (1 - r) sqrt(q (q + 1) / 2) long;
a person adds a mean of such rows, which is no longer. In counts by bin a row adds 1 to one of them,
and a person a mean of such, at most 1 long.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator
from scipy.special import expit

from pumasi.errors import QueryError
from pumasi.federation.queries.bins import MOST_BINS, edges, shares
from pumasi.federation.queries.glm import SUM
from pumasi.federation.queries.moments import as_flag
from pumasi.federation.query import Kind, Part, Query, register
from pumasi.federation.rows import Design, Floats, Rows

# Score and information of a row in their units, sqrt(q) and sqrt(q (q + 1) / 2) / 4, are at most
# sqrt(r^2 + (4 r (1 - r))^2) long together, which is largest at this r, 1.134 there: with it as the
# clip nobody is shortened.
_R = (6 - np.sqrt(2)) / 8
LENGTH = float(np.hypot(_R, 4 * _R * (1 - _R)))


class _BoundedLogistic(Query):
    """A logistic model with bounded terms, answered with noise only.

    Args:
        terms: columns and products of columns, p of them; the intercept is added.
        lower: bound of each term; a value below is taken as the bound.
        upper: bound of each term; a value above is taken as the bound.
        outcome: column of 0 and 1.
        coefficients: q = p + 1 of scaled terms, the intercept first.
    """

    kind: ClassVar[Kind] = Kind.LEARNING

    terms: tuple[str, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    outcome: str
    coefficients: tuple[float, ...]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        p = len(self.terms)
        if (len(self.lower), len(self.upper), len(self.coefficients)) != (p, p, p + 1):
            raise ValueError("bounds and coefficients need one number a term")
        if any(low >= high for low, high in zip(self.lower, self.upper, strict=True)):
            raise ValueError("a lower bound is not below its upper one")
        return self

    @property
    def center(self) -> Floats:
        """Middle of each term's bounds, shape (p,)."""
        return np.asarray((np.asarray(self.lower) + np.asarray(self.upper)) / 2)

    @property
    def spread(self) -> Floats:
        """Half of what lies between each term's bounds, shape (p,)."""
        return np.asarray((np.asarray(self.upper) - np.asarray(self.lower)) / 2)

    def compute(self, rows: Rows) -> Mapping[str, Floats]:
        """Nothing: there are no cells by which an exact sum could be judged.

        Raises:
            QueryError: always.
        """
        raise QueryError(f"query {self.name} is answered with noise only")

    def matrix(self, rows: Rows) -> Floats:
        """The intercept and the scaled terms, all within -1 and 1, shape (n, q)."""
        design = Design(terms=self.terms, center=tuple(self.center), spread=tuple(self.spread))
        within = np.clip(design.matrix(rows), -1, 1)
        return np.column_stack([np.ones(len(rows)), within])


@register
class BoundedLogisticStep(_BoundedLogistic):
    """Score and information of the model where it stands.

    Parts: `score`, (q,), and `information`, (q (q + 1) / 2,), the lower triangle by rows.
    """

    name: ClassVar[str] = "bounded_logistic_step"

    def parts(self) -> tuple[Part, ...]:
        """See the class."""
        q = len(self.coefficients)
        entries = q * (q + 1) // 2
        return (
            Part("score", (q,), scale=SUM, unit=float(np.sqrt(q))),
            Part("information", (entries,), scale=SUM, unit=float(np.sqrt(entries)) / 4),
        )

    def contributions(self, rows: Rows) -> Floats:
        """See the base; in units of the parts at most `LENGTH` long."""
        x = self.matrix(rows)
        y = as_flag(rows, self.outcome).astype(np.float64)
        p = expit(x @ np.asarray(self.coefficients))
        row, column = np.tril_indices(x.shape[1])
        score = x * (y - p)[:, None]
        information = x[:, row] * x[:, column] * (p * (1 - p))[:, None]
        return rows.by_person(np.hstack([score, information]) * shares(rows)[:, None])


@register
class BoundedRisks(_BoundedLogistic):
    """Persons by outcome and by the model's risk, in bins of one width on the log-odds.

    Args:
        lowest: log-odds where the first bin begins, which holds what is below as well.
        highest: log-odds where the last bin ends, which holds what is above as well.
        bins: how many.

    Parts: `persons`, (2, bins), without and with the outcome.
    """

    name: ClassVar[str] = "bounded_risks"

    lowest: float
    highest: float
    bins: Annotated[int, Field(ge=2, le=MOST_BINS)]

    @model_validator(mode="after")
    def _has_width(self) -> Self:
        if self.lowest >= self.highest:
            raise ValueError("the lowest log-odds are not below the highest")
        return self

    @property
    def middles(self) -> Floats:
        """Log-odds in the middle of each bin, shape (bins,)."""
        ends = edges(self.lowest, self.highest, self.bins)
        return np.asarray((ends[:-1] + ends[1:]) / 2)

    def parts(self) -> tuple[Part, ...]:
        """See the class."""
        return (Part("persons", (2, self.bins), scale=SUM),)

    def contributions(self, rows: Rows) -> Floats:
        """See the base; at most 1 long."""
        log_odds = self.matrix(rows) @ np.asarray(self.coefficients)
        inner = edges(self.lowest, self.highest, self.bins)[1:-1]
        number = np.searchsorted(inner, log_odds, side="left")
        cell = number + self.bins * as_flag(rows, self.outcome)
        counted = np.zeros((len(rows), 2 * self.bins))
        counted[np.arange(len(rows)), cell] = shares(rows)
        return rows.by_person(counted)
