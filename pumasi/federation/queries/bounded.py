"""One step of logistic regression of which a person can change little: for answers with noise.

A term is taken within bounds that the query states, and scaled so that they are -1 and 1. A row
weighs 1 / (rows of its person), so that a person counts once (Williamson, Datta and Satten,
Biometrics 2003;59:36-42). With r the size of a residual, a row then adds a score of length
r |x| <= r sqrt(q) and an information, r (1 - r) x x', whose lower triangle is at most
r (1 - r) sqrt(q (q + 1) / 2) long; a person adds a mean of such rows, which is no longer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from pydantic import model_validator
from scipy.special import expit

from pumasi.errors import QueryError
from pumasi.federation.queries.glm import SUM
from pumasi.federation.queries.moments import as_flag
from pumasi.federation.query import Kind, Part, Query, register
from pumasi.federation.rows import Design, Floats, Rows

# Score and information of a row in their units, sqrt(q) and sqrt(q (q + 1) / 2) / 4, are at most
# sqrt(r^2 + (4 r (1 - r))^2) long together, which is largest at this r, 1.134 there: with it as the
# clip nobody is shortened.
_R = (6 - np.sqrt(2)) / 8
LENGTH = float(np.hypot(_R, 4 * _R * (1 - _R)))


@register
class BoundedLogisticStep(Query):
    """Score and information of a logistic model where it stands; answered with noise only.

    Args:
        terms: columns and products of columns, p of them; the intercept is added.
        lower: bound of each term; a value below is taken as the bound.
        upper: bound of each term; a value above is taken as the bound.
        outcome: column of 0 and 1.
        coefficients: where it stands, q = p + 1 of scaled terms, the intercept first.

    Parts: `score`, (q,), and `information`, (q (q + 1) / 2,), the lower triangle by rows.
    """

    name: ClassVar[str] = "bounded_logistic_step"
    kind: ClassVar[Kind] = Kind.LEARNING

    terms: tuple[str, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    outcome: str
    coefficients: tuple[float, ...]

    @model_validator(mode="after")
    def _fits_together(self) -> BoundedLogisticStep:
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

    def parts(self) -> tuple[Part, ...]:
        """See the class."""
        q = len(self.coefficients)
        entries = q * (q + 1) // 2
        return (
            Part("score", (q,), scale=SUM, unit=float(np.sqrt(q))),
            Part("information", (entries,), scale=SUM, unit=float(np.sqrt(entries)) / 4),
        )

    def compute(self, rows: Rows) -> Mapping[str, Floats]:
        """Nothing: there are no cells by which an exact sum could be judged.

        Raises:
            QueryError: always.
        """
        raise QueryError(f"query {self.name} is answered with noise only")

    def contributions(self, rows: Rows) -> Floats:
        """See the base; in units of the parts at most `LENGTH` long."""
        x = self.matrix(rows)
        y = as_flag(rows, self.outcome).astype(np.float64)
        p = expit(x @ np.asarray(self.coefficients))
        row, column = np.tril_indices(x.shape[1])
        score = x * (y - p)[:, None]
        information = x[:, row] * x[:, column] * (p * (1 - p))[:, None]
        return rows.by_person(np.hstack([score, information]) * _one_a_person(rows)[:, None])

    def matrix(self, rows: Rows) -> Floats:
        """The intercept and the scaled terms, all within -1 and 1, shape (n, q)."""
        design = Design(terms=self.terms, center=tuple(self.center), spread=tuple(self.spread))
        within = np.clip(design.matrix(rows), -1, 1)
        return np.column_stack([np.ones(len(rows)), within])


def _one_a_person(rows: Rows) -> Floats:
    _, number, counted = np.unique(rows.person, return_inverse=True, return_counts=True)
    return 1 / counted[number]
