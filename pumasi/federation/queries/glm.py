"""Generalised linear models: what one step of Newton's method needs, for many fits at a time.

With linear predictor eta = x b + offset, l the log-likelihood of a row and w its weight, a step
asks for sum w l, the score sum w l'(eta) x and the information -sum w l''(eta) x x'. McCullagh and
Nelder, Generalized Linear Models, 2nd ed. 1989, chapter 2; negative binomial (NB2) as in Hilbe,
Negative Binomial Regression, 2nd ed. 2011, chapter 8.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import digamma, expit, gammaln, polygamma, xlogy

from pumasi.errors import QueryError
from pumasi.federation.queries.moments import Weighted, case_weights
from pumasi.federation.query import Counts, Kind, Part, register
from pumasi.federation.rows import KEYS, Design, Floats, Rows

# Sums of standardised columns over some thousand persons.
SUM = 1024.0


class Family(StrEnum):
    """Distribution of the outcome; each with its usual link."""

    GAUSSIAN = "gaussian"  # identity
    BINOMIAL = "binomial"  # logit
    POISSON = "poisson"  # log
    NEGATIVE_BINOMIAL = "negative_binomial"  # log; variance m + a m^2, with dispersion a = exp(d)


class Fit(BaseModel):
    """One of the fits of a step: where it stands, and who it does without.

    Args:
        coefficients: b, one per term.
        held_out: number of the fold that the fit does not learn from; None for nobody.
        log_dispersion: d of a negative binomial.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    coefficients: tuple[float, ...]
    held_out: Annotated[int, Field(ge=0)] | None = None
    log_dispersion: float = 0.0


class _Glm(Weighted):
    """What both queries of a generalised linear model have.

    Args:
        family: distribution of the outcome.
        design: the terms, p of them.
        outcome: column of the outcome; 0 and 1 of a binomial, counts of the others with a log link.
        offset: column that is added to the linear predictor; None for 0.
        residual: size that residuals are expected to have: of a gaussian the deviation of the
            outcome, of the others 1.
    """

    kind: ClassVar[Kind] = Kind.LEARNING

    family: Family
    design: Design
    outcome: str
    offset: str | None = None
    residual: Annotated[float, Field(gt=0)] = 1.0

    def outcome_of(self, rows: Rows) -> Floats:
        """The outcome, shape (n,).

        Raises:
            QueryError: it has values that the family has not.
        """
        y = rows.column(self.outcome)
        if self.family is Family.BINOMIAL and not np.isin(y, (0, 1)).all():
            raise QueryError(f"{self.outcome} has values besides 0 and 1")
        log_link = self.family in (Family.POISSON, Family.NEGATIVE_BINOMIAL)
        if log_link and ((y < 0).any() or (y != np.rint(y)).any()):
            raise QueryError(f"{self.outcome} is not a count")
        return y

    def eta(self, rows: Rows, x: Floats, fit: Fit) -> Floats:
        """The linear predictor, shape (n,).

        Raises:
            QueryError: the fit has another number of coefficients than there are terms.
        """
        if len(fit.coefficients) != len(self.design.terms):
            raise QueryError("a fit needs one coefficient a term")
        offset = 0.0 if self.offset is None else rows.column(self.offset)
        return np.asarray(x @ np.asarray(fit.coefficients) + offset)


@register
class GlmStep(_Glm):
    """Log-likelihood, score and information of each fit, and what it makes of those it left out.

    Args:
        fits: k fits.
        folds: persons are in fold `split_key % folds`.

    Parts: `persons`; `fold_persons` of more than one fold, shape (folds,): what fits differ in;
    `cases` and `controls` of a binomial; `log_likelihood` and
    `held_out_log_likelihood`, shape (k,); `score`, (k, q), and `information`, (k, q (q + 1) / 2),
    the lower triangle by rows. q is p, and p + 1 of a negative binomial, whose last entry is of d.
    """

    name: ClassVar[str] = "glm_step"

    fits: Annotated[tuple[Fit, ...], Field(min_length=1)]
    folds: Annotated[int, Field(ge=1, le=KEYS)] = 1

    @property
    def size(self) -> int:
        """q: how many numbers a fit estimates."""
        return len(self.design.terms) + (self.family is Family.NEGATIVE_BINOMIAL)

    def parts(self) -> tuple[Part, ...]:
        """See the class."""
        k, q = len(self.fits), self.size
        outcome = (
            Part("cases", (), counts=Counts.OUTCOME),
            Part("controls", (), counts=Counts.OUTCOME),
        )
        return (
            Part("persons", (), counts=Counts.PERSONS),
            *([self._folds()] if self.folds > 1 else []),
            *(outcome if self.family is Family.BINOMIAL else ()),
            Part("log_likelihood", (k,), scale=SUM * self.residual**2),
            Part("held_out_log_likelihood", (k,), scale=SUM * self.residual**2),
            Part("score", (k, q), scale=SUM * self.residual),
            Part("information", (k, q * (q + 1) // 2), scale=SUM),
        )

    def _folds(self) -> Part:
        return Part("fold_persons", (self.folds,), counts=Counts.PERSONS)

    def compute(self, rows: Rows) -> Mapping[str, Floats]:
        """See the class."""
        y, x = self.outcome_of(rows), self.design.matrix(rows)
        weights = case_weights(rows, self.weights)
        likelihood, held_out, score, information = [], [], [], []
        for fit in self.fits:
            left_out = rows.split_key % self.folds == fit.held_out
            w = np.where(left_out, 0.0, weights)
            pieces = derivatives(self.family, y, self.eta(rows, x, fit), fit.log_dispersion)
            likelihood.append(w @ pieces.log_likelihood)
            held_out.append((weights - w) @ pieces.log_likelihood)
            score.append(pieces.score(x, w))
            information.append(lower_triangle(pieces.information(x, w)))
        found = {
            "persons": np.asarray(rows.persons(), dtype=np.float64),
            "log_likelihood": np.array(likelihood),
            "held_out_log_likelihood": np.array(held_out),
            "score": np.array(score),
            "information": np.array(information),
        }
        if self.folds > 1:
            fold = rows.split_key % self.folds
            counted = [rows.persons(fold == number) for number in range(self.folds)]
            found["fold_persons"] = np.array(counted, dtype=np.float64)
        if self.family is Family.BINOMIAL:
            found["cases"] = np.asarray(rows.persons(y == 1), dtype=np.float64)
            found["controls"] = np.asarray(rows.persons(y == 0), dtype=np.float64)
        return found

    def influence(self, rows: Rows) -> Floats:
        """The weight of each row in the information of each fit, shape (n, k)."""
        y, x = self.outcome_of(rows), self.design.matrix(rows)
        weights = case_weights(rows, self.weights)
        columns = [
            weights
            * derivatives(self.family, y, self.eta(rows, x, fit), fit.log_dispersion).curvature
            for fit in self.fits
        ]
        return np.abs(np.column_stack(columns))


@register
class GlmMeat(_Glm):
    """The middle of the sandwich: sum over persons of u u', u the person's summed score.

    Liang and Zeger, Biometrika 1986;73:13-22; Huber 1967.

    Args:
        fit: where it stands.

    Parts: `persons`; `meat`, the lower triangle by rows, shape (q (q + 1) / 2,).
    """

    name: ClassVar[str] = "glm_meat"

    fit: Fit

    def parts(self) -> tuple[Part, ...]:
        """See the class."""
        q = len(self.design.terms) + (self.family is Family.NEGATIVE_BINOMIAL)
        return (
            Part("persons", (), counts=Counts.PERSONS),
            Part("meat", (q * (q + 1) // 2,), scale=SUM * self.residual**2),
        )

    def compute(self, rows: Rows) -> Mapping[str, Floats]:
        """See the class."""
        y, x = self.outcome_of(rows), self.design.matrix(rows)
        pieces = derivatives(self.family, y, self.eta(rows, x, self.fit), self.fit.log_dispersion)
        scores = pieces.scores(x) * case_weights(rows, self.weights)[:, None]
        u = rows.by_person(scores)
        persons = np.asarray(rows.persons(), dtype=np.float64)
        return {"persons": persons, "meat": lower_triangle(u.T @ u)}

    def influence(self, rows: Rows) -> Floats:
        """The weight of each row in the sum, shape (n, 1)."""
        y, x = self.outcome_of(rows), self.design.matrix(rows)
        pieces = derivatives(self.family, y, self.eta(rows, x, self.fit), self.fit.log_dispersion)
        return np.abs(case_weights(rows, self.weights) * pieces.residual)[:, None]


class Derivatives:
    """Log-likelihood of each row and its derivatives by the linear predictor, each shape (n,).

    Of a negative binomial also by d, the logarithm of the dispersion.
    """

    def __init__(
        self,
        log_likelihood: Floats,
        residual: Floats,
        curvature: Floats,
        by_dispersion: tuple[Floats, Floats, Floats] | None = None,
    ) -> None:
        self.log_likelihood = log_likelihood
        self.residual = residual  # l'
        self.curvature = curvature  # -l''
        self.by_dispersion = by_dispersion  # dl/dd, -d2l/dd2, -d2l/dd deta

    def scores(self, x: Floats) -> Floats:
        """Derivatives by all parameters, shape (n, q)."""
        by_eta = x * self.residual[:, None]
        if self.by_dispersion is None:
            return by_eta
        return np.column_stack([by_eta, self.by_dispersion[0]])

    def score(self, x: Floats, w: Floats) -> Floats:
        """Sum of w times the derivatives, shape (q,)."""
        return w @ self.scores(x)

    def information(self, x: Floats, w: Floats) -> Floats:
        """Minus the sum of w times the second derivatives, shape (q, q)."""
        by_eta = (x * (w * self.curvature)[:, None]).T @ x
        if self.by_dispersion is None:
            return by_eta
        _, twice, mixed = self.by_dispersion
        between = (w * mixed) @ x
        return np.block([[by_eta, between[:, None]], [between[None, :], np.array([[w @ twice]])]])


def derivatives(family: Family, y: Floats, eta: Floats, log_dispersion: float) -> Derivatives:
    """Log-likelihood and derivatives of a family; constants in y alone are part of it.

    The gaussian has variance 1: its log-likelihood is -(y - eta)^2 / 2, and whoever fits it
    estimates the variance from the sum of squares.
    """
    if family is Family.GAUSSIAN:
        return Derivatives(-((y - eta) ** 2) / 2, y - eta, np.ones_like(eta))
    if family is Family.BINOMIAL:
        p = expit(eta)
        return Derivatives(y * eta - np.logaddexp(0, eta), y - p, p * (1 - p))
    mean = np.exp(eta)
    if family is Family.POISSON:
        return Derivatives(y * eta - mean - gammaln(y + 1), y - mean, mean)
    return _negative_binomial(y, eta, mean, np.exp(log_dispersion))


def _negative_binomial(y: Floats, eta: Floats, mean: Floats, a: float) -> Derivatives:
    r = 1 / a
    one = 1 + a * mean
    likelihood = (
        gammaln(y + r) - gammaln(r) - gammaln(y + 1) + xlogy(y, a * mean) - (y + r) * np.log(one)
    )
    residual = (y - mean) / one
    curvature = mean * (1 + a * y) / one**2
    # By r first, with dr/dd = -r; then by d = log a.
    by_r = digamma(y + r) - digamma(r) - np.log(one) + a * (mean - y) / one
    by_r_twice = (
        polygamma(1, y + r) - polygamma(1, r) + a * a * mean / one + a * a * (y - mean) / one**2
    )
    by_d = -r * by_r
    twice = -(r * by_r + r * r * by_r_twice)
    mixed = a * mean * (y - mean) / one**2
    return Derivatives(likelihood, residual, curvature, (by_d, twice, mixed))


def lower_triangle(matrix: Floats) -> Floats:
    """The lower triangle by rows, shape (q (q + 1) / 2,)."""
    return matrix[np.tril_indices(len(matrix))]


def symmetric(triangle: Floats) -> Floats:
    """The matrix of a lower triangle, shape (q, q)."""
    q = int((np.sqrt(8 * len(triangle) + 1) - 1) / 2)
    matrix = np.zeros((q, q))
    matrix[np.tril_indices(q)] = triangle
    return matrix + np.tril(matrix, -1).T
