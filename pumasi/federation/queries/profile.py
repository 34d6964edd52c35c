"""Profile log-likelihoods of a treatment's effect, each hospital with other coefficients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pumasi.errors import QueryError
from pumasi.federation.queries.glm import Family, derivatives
from pumasi.federation.queries.moments import as_flag
from pumasi.federation.query import Counts, Kind, Part, Query, register
from pumasi.federation.rows import INTERCEPT, Design, Floats, Rows

MOST_POINTS = 1000
MAXIMUM_STEPS = 50
SUM = 1024.0


@register
class ProfileLikelihood(Query):
    """Log-likelihood by the coefficient of the treatment, maximised over all others.

    Sums over hospitals are of hospitals that have each its own intercept and coefficients: rows
    that were pooled are profiled hospital by hospital. A hospital where nobody, or everybody, of
    one group has the outcome has no estimate, but a profile.

    Args:
        family: binomial or Poisson.
        treatment: column of 0 and 1.
        terms: columns that are adjusted for; the intercept is added.
        outcome: column of the outcome.
        grid: coefficients at which the profile is asked for.
        offset: column that is added to the linear predictor; None for 0.

    Parts: `cells`, persons by treatment and by outcome, 0 or above, shape (2, 2): a profile nearly
    tells them; `profile`, one value a point of the grid.
    """

    name: ClassVar[str] = "profile_likelihood"
    kind: ClassVar[Kind] = Kind.EFFECT
    own: ClassVar[bool] = True

    family: Family
    treatment: str
    terms: tuple[str, ...] = ()
    outcome: str
    grid: tuple[float, ...]
    offset: str | None = None

    def parts(self) -> tuple[Part, ...]:
        """See the class."""
        if not 1 <= len(self.grid) <= MOST_POINTS:
            raise QueryError(f"a grid has 1 to {MOST_POINTS} points")
        return (
            Part("cells", (2, 2), counts=Counts.OUTCOME),
            Part("profile", (len(self.grid),), scale=SUM),
        )

    def compute(self, rows: Rows) -> Mapping[str, Floats]:
        """See the class."""
        if self.family not in (Family.BINOMIAL, Family.POISSON):
            raise QueryError("profiles are of binomial or Poisson outcomes")
        treated, y = as_flag(rows, self.treatment), rows.column(self.outcome)
        if self.family is Family.BINOMIAL:
            as_flag(rows, self.outcome)
        if (y < 0).any() or (y != np.rint(y)).any():
            raise QueryError(f"{self.outcome} is not a count")
        cells = [[rows.persons(of & had) for had in (y == 0, y > 0)] for of in (~treated, treated)]
        profile = np.zeros(len(self.grid))
        for each in rows.by_hospital():
            profile = profile + self._profile(each)
        return {"cells": np.array(cells, dtype=np.float64), "profile": profile}

    def _profile(self, rows: Rows) -> Floats:
        """The profile of one hospital, shape (grid,)."""
        x = Design(terms=(INTERCEPT, *self.terms)).matrix(rows)
        # A column of one value at this hospital is part of its intercept.
        varies = np.ptp(x, axis=0) > 0
        x = np.column_stack(
            [x[:, 0], (x[:, varies] - x[:, varies].mean(axis=0)) / x[:, varies].std(axis=0)]
        )
        y, treated = rows.column(self.outcome), rows.column(self.treatment)
        offset = np.zeros(len(rows)) if self.offset is None else rows.column(self.offset)
        order = np.argsort(np.abs(self.grid))
        found, b = np.empty(len(self.grid)), np.zeros(x.shape[1])
        if self.family is Family.POISSON:
            b[0] = np.log(max(y.sum(), 0.5) / np.exp(offset).sum())
        for k in order:
            found[k], b = self._maximum(x, y, offset + self.grid[k] * treated, b)
        return found

    def _maximum(self, x: Floats, y: Floats, offset: Floats, b: Floats) -> tuple[float, Floats]:
        """The maximum of the log-likelihood, and where it is; towards infinity, nearly."""
        at = derivatives(self.family, y, x @ b + offset, 0.0)
        one = np.ones(len(y))
        for _ in range(MAXIMUM_STEPS):
            step = np.linalg.lstsq(at.information(x, one), at.score(x, one), rcond=1e-12)[0]
            step = step / max(1.0, float(np.abs(step).max(initial=0.0)) / 3)
            before = at.log_likelihood.sum()
            for _ in range(MAXIMUM_STEPS):
                at = derivatives(self.family, y, x @ (b + step) + offset, 0.0)
                if at.log_likelihood.sum() >= before - 1e-12 * abs(before):
                    break
                step = step / 2
            b = b + step
            if at.log_likelihood.sum() - before <= 1e-12 * max(1.0, abs(before)):
                break
        return float(at.log_likelihood.sum()), b
