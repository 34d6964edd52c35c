"""Sums that a description starts from: of columns, of their squares, of persons by level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from pumasi.errors import QueryError
from pumasi.federation.query import Counts, Kind, Part, Query, register
from pumasi.federation.rows import Bools, Design, Floats, Rows, product, rests_on


class Weighted(Query):
    """A query whose rows have case weights. A row of weight 0 is not in it, and is not counted.

    Args:
        weights: column of case weights; None for 1 each.
    """

    weights: str | None = None

    def chosen(self, rows: Rows) -> Rows:
        """The rows of the persons whom `keys` chooses that have a weight."""
        rows = self.keys.chosen(rows)
        return rows.where(case_weights(rows, self.weights) > 0)


@register
class Moments(Weighted):
    """Weighted sums of terms and of their squares: sum w, sum w x, sum w x^2 over rows.

    Terms of two levels are screened: a column that is 1 in few persons with, or without the outcome
    is not used, and nothing of it or of a product with it is shown.

    Args:
        design: the terms, p of them; standardised as it says.
        outcome: column of 0 and 1; persons with it, and without it, must reach the minimum.
        flags: those of the terms that are 0 and 1, f of them, to be screened by the outcome.
        magnitude: size that the values of terms are expected to have.

    Parts: `persons`; `rows`, how many; `weight`, sum w; `sums` and `squares`, shape (p,), nan of
    what failed its screen; with an outcome `outcome`, persons without and with it, shape (2,); with
    flags `levels`, shape (f, 2, 2): 1 where enough persons have a row with the term at 0 or 1
    (second axis) and the outcome at 0 or 1 (third axis), over all hospitals.
    """

    name: ClassVar[str] = "moments"
    kind: ClassVar[Kind] = Kind.DESCRIPTIVE

    design: Design
    outcome: str | None = None
    flags: tuple[str, ...] = ()
    magnitude: float = 1024.0

    def parts(self) -> tuple[Part, ...]:
        """See the class."""
        p = (len(self.design.terms),)
        return (
            Part("persons", (), scale=1024.0, counts=Counts.PERSONS),
            Part("rows", (), scale=1024.0),
            Part("weight", (), scale=1024.0),
            Part("sums", p, scale=self.magnitude, unit=self.magnitude),
            Part("squares", p, scale=self.magnitude**2, unit=self.magnitude**2),
            *([Part("outcome", (2,), scale=1024.0, counts=Counts.OUTCOME)] if self.outcome else []),
            *([self._levels()] if self.flags else []),
        )

    def _levels(self) -> Part:
        shape = (len(self.flags), 2, 2)
        return Part("levels", shape, scale=1024.0, counts=Counts.OUTCOME, screens=True)

    def compute(self, rows: Rows) -> Mapping[str, Floats]:
        """See the class.

        Raises:
            QueryError: a flag or the outcome has values besides 0 and 1, or flags have no outcome.
        """
        x = self.design.matrix(rows)
        w = case_weights(rows, self.weights)
        found = {
            "persons": np.asarray(rows.persons(), dtype=np.float64),
            "rows": np.asarray(len(rows), dtype=np.float64),
            "weight": np.asarray(w.sum()),
            "sums": w @ x,
            "squares": w @ x**2,
        }
        if self.outcome is not None:
            outcome = as_flag(rows, self.outcome)
            found["outcome"] = _persons_by(rows, [~outcome, outcome])
        if self.flags:
            found["levels"] = self._counted(rows)
        return found

    def _counted(self, rows: Rows) -> Floats:
        if self.outcome is None:
            raise QueryError("flags are screened by an outcome: name it")
        outcome = as_flag(rows, self.outcome)
        counts = []
        for term in self.flags:
            flag = as_flag(rows, term)
            cells = [level & event for level in (~flag, flag) for event in (~outcome, outcome)]
            counts.append(_persons_by(rows, cells).reshape(2, 2))
        return np.array(counts)

    def shown(self, parts: Mapping[str, Floats]) -> Mapping[str, Floats]:
        """See the base."""
        if not self.flags:
            return parts
        passed = np.asarray(parts["levels"].all(axis=(1, 2)))
        failed = {flag for flag, enough in zip(self.flags, passed, strict=True) if not enough}
        hidden = np.array([rests_on(term, failed) for term in self.design.terms])
        blank = {name: np.where(hidden, np.nan, parts[name]) for name in ("sums", "squares")}
        return {**parts, **blank}

    def contributions(self, rows: Rows) -> Floats:
        """See the base.

        Raises:
            QueryError: persons are counted by outcome or level.
        """
        if self.outcome is not None:
            raise QueryError(f"query {self.name} by outcome is not answered with noise")
        x = self.design.matrix(rows)
        w = case_weights(rows, self.weights)[:, None]
        one = np.ones((rows.persons(), 1))
        return np.hstack([one, rows.by_person(np.hstack([np.ones_like(w), w, w * x, w * x**2]))])


def _persons_by(rows: Rows, chosen: Sequence[Bools]) -> Floats:
    return np.array([rows.persons(each) for each in chosen], dtype=np.float64)


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
