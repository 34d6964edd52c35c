"""Firth's penalised logistic regression: what one step needs of a hospital's rows.

Firth, Biometrika 1993;80:27-38; Heinze and Schemper, Statistics in Medicine 2002;21:2409-2419.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from pumasi.errors import QueryError
from pumasi.federation.queries.glm import (
    Derivatives,
    Family,
    derivatives,
    lower_triangle,
    symmetric,
)
from pumasi.federation.queries.moments import Weighted, as_flag, case_weights
from pumasi.federation.query import Counts, Kind, Part, register
from pumasi.federation.rows import Design, Floats, Rows

# Smaller than that of other models: Firth's method is for few persons.
SUM = 16.0


@register
class FirthStep(Weighted):
    """Log-likelihood and its first three derivatives, and how leverages bend the penalty.

    With p = expit(eta), case weight w and v = w p (1 - p) the penalty is 1/2 log |I|, where I is
    sum v x x'. Its slope, sum h (1/2 - p) x with the leverages h = v x' I^-1 x, follows from I and
    the third derivatives, sum v (1 - 2 p) x x x. Of its second derivative a hospital's share is
    1/2 sum h (1 - 6 p (1 - p)) x x', with the leverages at an information that the query brings.
    No leverage at a maximum exceeds 1, so those on the way there are held to it: whatever is sent
    as information, a row weighs at most as one more row would.

    Three terms of 0 and 1 have a third derivative that is a weighted sum over the persons who have
    all three, as the information has one over those who have two: columns are screened before.

    Args:
        design: the terms, p of them, the intercept first.
        outcome: column of 0 and 1.
        coefficients: one per term.
        information: I of the leverages, the lower triangle by rows; None if neither they nor third
            derivatives are asked for.
        intercept: in place of the first coefficient, where the ordinary score is asked for.
        offset: column that is added to the linear predictor; None for 0.

    Parts: `persons`, `cases`, `controls`; `log_likelihood`; `score`, shape (p,); `information`, the
    lower triangle by rows; at the other intercept `intercept_score`, sum w (y - p), and
    `intercept_information`, sum w p (1 - p); with an information `third`, entries j >= k >= l in
    that order, and `leveraged`, sum h (1 - 6 p (1 - p)) x x', the lower triangle by rows.
    """

    name: ClassVar[str] = "firth_step"
    kind: ClassVar[Kind] = Kind.LEARNING

    design: Design
    outcome: str
    coefficients: tuple[float, ...]
    information: tuple[float, ...] | None = None
    intercept: float
    offset: str | None = None

    def parts(self) -> tuple[Part, ...]:
        """See the class."""
        p = len(self.design.terms)
        triangle = (p * (p + 1) // 2,)
        bent = (
            Part("third", (len(third_entries(p)[0]),), scale=SUM),
            Part("leveraged", triangle, scale=SUM),
        )
        return (
            Part("persons", (), counts=Counts.PERSONS),
            Part("cases", (), counts=Counts.OUTCOME),
            Part("controls", (), counts=Counts.OUTCOME),
            Part("log_likelihood", (), scale=SUM),
            Part("score", (p,), scale=SUM),
            Part("information", triangle, scale=SUM),
            Part("intercept_score", (), scale=SUM),
            Part("intercept_information", (), scale=SUM),
            *(() if self.information is None else bent),
        )

    def compute(self, rows: Rows) -> Mapping[str, Floats]:
        """See the class."""
        y, w = as_flag(rows, self.outcome), case_weights(rows, self.weights)
        x, here, other = self._at(rows)
        found = {
            "persons": np.asarray(rows.persons(), dtype=np.float64),
            "cases": np.asarray(rows.persons(y), dtype=np.float64),
            "controls": np.asarray(rows.persons(~y), dtype=np.float64),
            "log_likelihood": np.asarray(w @ here.log_likelihood),
            "score": here.score(x, w),
            "information": lower_triangle(here.information(x, w)),
            "intercept_score": np.asarray(w @ other.residual),
            "intercept_information": np.asarray(w @ other.curvature),
        }
        if self.information is not None:
            v, p = w * here.curvature, y - here.residual
            j, k, m = third_entries(x.shape[1])
            bent = self._leverage(x, v) * (1 - 6 * here.curvature)
            skewed = v * (1 - 2 * p)
            found["third"] = np.array(
                [(skewed * x[:, a] * x[:, b]) @ x[:, c] for a, b, c in zip(j, k, m, strict=True)]
            )
            found["leveraged"] = lower_triangle((x * bent[:, None]).T @ x)
        return found

    def influence(self, rows: Rows) -> Floats:
        """The weight of each row in the information and in what is leveraged, shape (n, 3)."""
        w = case_weights(rows, self.weights)
        x, here, other = self._at(rows)
        v = w * here.curvature
        return np.column_stack([v, v + self._leverage(x, v) / 2, w * other.curvature])

    def _at(self, rows: Rows) -> tuple[Floats, Derivatives, Derivatives]:
        """The matrix, and what is at the coefficients and at the other intercept."""
        if len(self.coefficients) != len(self.design.terms):
            raise QueryError("a step needs one coefficient a term")
        y, x = as_flag(rows, self.outcome).astype(np.float64), self.design.matrix(rows)
        offset = 0.0 if self.offset is None else rows.column(self.offset)
        eta = x @ np.asarray(self.coefficients) + offset
        moved = eta + x[:, 0] * (self.intercept - self.coefficients[0])
        return (
            x,
            derivatives(Family.BINOMIAL, y, eta, 0.0),
            derivatives(Family.BINOMIAL, y, moved, 0.0),
        )

    def _leverage(self, x: Floats, curvature: Floats) -> Floats:
        """Leverages at the information that was brought, shape (n,); 0 without one."""
        if self.information is None:
            return np.zeros(len(x))
        size = x.shape[1]
        if len(self.information) != size * (size + 1) // 2:
            raise QueryError("the information has another size than the design")
        try:
            solved = cho_solve(cho_factor(symmetric(np.asarray(self.information))), x.T)
        except LinAlgError:
            raise QueryError("the information is not positive definite") from None
        return np.asarray(np.minimum(curvature * np.einsum("ij,ji->i", x, solved), 1.0))


def third_entries(p: int) -> tuple[list[int], list[int], list[int]]:
    """Rows, columns and layers of what three symmetric indices below p leave, largest first."""
    entries = [(j, k, m) for j in range(p) for k in range(j + 1) for m in range(k + 1)]
    first, second, third = zip(*entries, strict=True)
    return list(first), list(second), list(third)
