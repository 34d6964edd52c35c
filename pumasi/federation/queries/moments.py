"""Sums that a description starts from: of columns, of their squares, of persons by level."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pumasi.errors import QueryError
from pumasi.federation.query import Counts, Kind, Part, Query, register
from pumasi.federation.rows import Bools, Design, Floats, Rows, product


@register
class Moments(Query):
    """Weighted sums of terms and of their squares: sum w, sum w x, sum w x^2 over rows.

    Args:
        design: the terms, p of them; standardised as it says.
        weights: column of case weights; None for 1 each.
        magnitude: for each term, the size that its values are expected to have.

    Parts: `persons`; `rows`, how many; `weight`, sum w; `sums` and `squares`, shape (p,).
    """

    name: ClassVar[str] = "moments"
    kind: ClassVar[Kind] = Kind.DESCRIPTIVE

    design: Design
    weights: str | None = None
    magnitude: float = 1024.0

    def parts(self) -> tuple[Part, ...]:
        """See the class."""
        p = (len(self.design.terms),)
        return (
            Part("persons", (), counts=Counts.PERSONS),
            Part("rows", (), scale=1024.0),
            Part("weight", (), scale=1024.0),
            Part("sums", p, scale=self.magnitude),
            Part("squares", p, scale=self.magnitude**2),
        )

    def compute(self, rows: Rows) -> Mapping[str, Floats]:
        """See the class."""
        x = self.design.matrix(rows)
        w = case_weights(rows, self.weights)
        return {
            "persons": np.asarray(rows.persons(), dtype=np.float64),
            "rows": np.asarray(len(rows), dtype=np.float64),
            "weight": np.asarray(w.sum()),
            "sums": w @ x,
            "squares": w @ x**2,
        }

    def contributions(self, rows: Rows) -> Floats:
        """See the base."""
        x = self.design.matrix(rows)
        w = case_weights(rows, self.weights)[:, None]
        one = np.ones((rows.persons(), 1))
        return np.hstack([one, rows.by_person(np.hstack([np.ones_like(w), w, w * x, w * x**2]))])


@register
class ColumnScreen(Query):
    """Persons by level of each term of two levels, with and without the outcome, as verdicts.

    Args:
        terms: columns of 0 and 1, or products of them, p of them.
        outcome: column of 0 and 1.

    Parts: `persons`; `levels`, shape (p, 2, 2): 1 where enough persons have a row with the term at
    0 or 1 (second axis) and the outcome at 0 or 1 (third axis), over all hospitals.
    """

    name: ClassVar[str] = "column_screen"
    kind: ClassVar[Kind] = Kind.LEARNING

    terms: tuple[str, ...]
    outcome: str

    def parts(self) -> tuple[Part, ...]:
        """See the class."""
        return (
            Part("persons", (), counts=Counts.PERSONS),
            Part("levels", (len(self.terms), 2, 2), counts=Counts.OUTCOME, screens=True),
        )

    def compute(self, rows: Rows) -> Mapping[str, Floats]:
        """See the class."""
        outcome = as_flag(rows, self.outcome)
        levels = np.empty((len(self.terms), 2, 2))
        for j, term in enumerate(self.terms):
            flag = as_flag(rows, term)
            for level in (0, 1):
                for event in (0, 1):
                    chosen = (flag == bool(level)) & (outcome == bool(event))
                    levels[j, level, event] = rows.persons(chosen)
        persons = np.asarray(rows.persons(), dtype=np.float64)
        return {"persons": persons, "levels": levels}


def as_flag(rows: Rows, term: str) -> Bools:
    """A term of 0 and 1, shape (n,).

    Raises:
        QueryError: it has other values.
    """
    values = product(rows, term)
    if not np.isin(values, (0, 1)).all():
        raise QueryError(f"{term} has values besides 0 and 1")
    return np.asarray(values == 1)


def case_weights(rows: Rows, column: str | None) -> Floats:
    """Case weights, shape (n,): 1 without a column.

    Raises:
        QueryError: one is negative.
    """
    weights = np.ones(len(rows)) if column is None else rows.column(column)
    if (weights < 0).any():
        raise QueryError(f"{column} has negative weights")
    return weights
