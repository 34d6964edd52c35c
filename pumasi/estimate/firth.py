"""Firth's penalised logistic regression over hospitals, for few cases and for separation.

What is maximised is l(b) + 1/2 log |I(b)|, l the log-likelihood and I = sum w p (1 - p) x x' the
information; the maximum is where the modified score sum (w (y - p) + h (1/2 - p)) x is 0, with the
leverages h of the weighted rows. It is finite also where the outcome is separated. Firth,
Biometrika 1993;80:27-38; Heinze and Schemper, Statistics in Medicine 2002;21:2409-2419.

First exchange: sums by which the terms are standardised, and which of them may be used. Then one
exchange a step: log-likelihood, score, information and third derivatives, hidden in sums. The slope
of the penalty follows from them at the hub, so that the score of every step is that of the pooled
rows, and with it where the steps end. For the curvature the query carries an information, foreseen
from the exchange before, of which every hospital computes the leverages of its rows; what they are
off by costs a step at most. With p terms a step asks for some p^3 / 6 numbers. Where several terms
together separate, only the persons at the border weigh: a hospital with few of them refuses.

Firth's method pulls predicted risks towards 1/2. FLIC keeps its coefficients and estimates the
intercept by maximum likelihood, so that predicted risks have the mean of the outcome (Puhr, Heinze,
Nold, Lusa and Geroldinger, Statistics in Medicine 2017;36:2302-2317); it moves in the same
exchanges.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np

from pumasi.errors import EstimationError
from pumasi.estimate.glm import Glm, Standard
from pumasi.estimate.newton import COLLINEAR, TOLERANCE, loaded, shortened
from pumasi.federation.network import Total, Totals
from pumasi.federation.queries import Family, FirthStep
from pumasi.federation.queries.firth import third_entries
from pumasi.federation.queries.glm import lower_triangle, symmetric
from pumasi.federation.rows import ALL_PERSONS, Floats, Keys

# With the first exchange 16.
MAXIMUM_STEPS = 15
# Log-odds by which a term moves at most in a step.
LONGEST_STEP = 3.0


@dataclass(frozen=True)
class Firth:
    """A model to be fitted.

    Args:
        terms: columns and products of columns; the intercept is added.
        outcome: column of 0 and 1.
        flags: those of `terms` that have two levels: each level needs enough persons with and
            without the outcome, or the term is dropped at all hospitals.
        weights: column of case weights.
        offset: column of the offset.
        keys: persons who are learned from.
        magnitude: size that the columns are expected to have.
    """

    terms: tuple[str, ...]
    outcome: str
    flags: tuple[str, ...] = ()
    weights: str | None = None
    offset: str | None = None
    keys: Keys = ALL_PERSONS
    magnitude: float = 1024.0


@dataclass(frozen=True)
class FirthResult:
    """A fitted model, on the scale of the columns.

    `terms` begin with the intercept; `coefficients` and `covariance`, the inverse of the
    information, are in their order, (p,) and (p, p). `flic_intercept` stands in place of the first
    coefficient where risks are predicted. `penalised_log_likelihood` has the information of the
    columns as they are; `gradient` is the relative norm at which it ended.
    """

    terms: tuple[str, ...]
    coefficients: Floats
    covariance: Floats
    flic_intercept: float
    log_likelihood: float
    penalised_log_likelihood: float
    persons: int
    dropped: tuple[str, ...]
    exchanges: int
    gradient: float

    @property
    def standard_errors(self) -> Floats:
        """Of the coefficients, shape (p,)."""
        return np.sqrt(np.diag(self.covariance))


def fit_firth(network: Totals, model: Firth) -> FirthResult:
    """Fit the model over the hospitals of the network.

    Raises:
        EstimationError: terms are collinear, all persons have the outcome or none, or it does not
            converge.
        SuppressedError: too few persons, with or without the outcome.
        FederationError: a hospital refused, or did not answer.
    """
    glm = Glm(
        Family.BINOMIAL,
        model.terms,
        model.outcome,
        flags=model.flags,
        weights=model.weights,
        offset=model.offset,
        keys=model.keys,
        magnitude=model.magnitude,
    )
    return _Maximising(Standard(network, glm)).result()


class _Maximising:
    """The steps of one model whose terms are standardised."""

    def __init__(self, standard: Standard) -> None:
        self.standard, self.model, self.design = standard, standard.model, standard.design
        self.at = standard.start(len(self.design.terms))
        self.intercept = float(self.at[0])
        self.foreseen: Floats | None = None
        # What a coefficient of 1 does between the levels of a flag; of others, over a deviation.
        spreads = zip(self.design.terms, self.design.spread or (), strict=True)
        flags = self.model.flags
        self.reach = np.array([1 / spread if term in flags else 1.0 for term, spread in spreads])

    def result(self) -> FirthResult:
        total, gradient = self._maximised()
        back, information = self.standard.back(), symmetric(total["information"])
        flic = np.append(self.intercept, self.at[1:])
        likelihood = total.number("log_likelihood")
        # The information of the columns is back'^-1 I back^-1.
        log_determinant = np.linalg.slogdet(information)[1] - 2 * np.linalg.slogdet(back)[1]
        return FirthResult(
            terms=self.design.terms,
            coefficients=back @ self.at,
            covariance=back @ np.linalg.inv(information) @ back.T,
            flic_intercept=float(back[0] @ flic),
            log_likelihood=likelihood,
            penalised_log_likelihood=likelihood + float(log_determinant) / 2,
            persons=round(total.number("persons")),
            dropped=self.standard.dropped,
            exchanges=self.standard.exchanges,
            gradient=gradient,
        )

    def _maximised(self) -> tuple[Total, float]:
        """Step until it has converged: the sums there, and the relative gradient."""
        first, before, step, slope = 0.0, -np.inf, np.zeros(len(self.at)), 0.0
        for _ in range(MAXIMUM_STEPS):
            total = self._ask()
            information = symmetric(total["information"])
            reached = total.number("log_likelihood") + _half_log_determinant(information)
            score, curvature = total["score"], information
            first = first or max(1.0, float(np.linalg.norm(score)))
            third = np.zeros((len(score),) * 3)
            if self.foreseen is not None:
                third = _cube(total["third"], len(score))
                # By b_j the information changes by third[j]; log |I| by trace(I^-1 third[j]).
                turned = np.linalg.solve(information, third)
                score = score + np.einsum("jkk->j", turned) / 2
                curvature = curvature - symmetric(total["leveraged"]) / 2
                curvature = curvature + np.einsum("jab,kba->jk", turned, turned) / 2
                norm = max(float(np.linalg.norm(score)), abs(total.number("intercept_score")))
                if norm <= TOLERANCE * first:
                    return total, norm / first
            if not reached >= before - 1e-9 * abs(before):
                left = shortened(before, reached, slope)
                self.at = self.at - (1 - left) * step
                step, slope = left * step, left * slope
                continue
            if self.foreseen is None:
                _refuse_collinear(self.design.terms, information)
            before = reached
            step = _uphill(curvature, information, score, self.reach)
            slope = float(score @ step)
            self.intercept += _intercept_step(total, step)
            self.at = self.at + step
            self.foreseen = _foreseen(information, np.einsum("j,jkl->kl", step, third))
        raise EstimationError(
            f"not converged after {MAXIMUM_STEPS + 1} exchanges: a term, or several together, tell "
            "nearly all persons with the outcome from those without; leave it out"
        )

    def _ask(self) -> Total:
        known = None
        if self.foreseen is not None:
            known = tuple(map(float, lower_triangle(self.foreseen)))
        query = FirthStep(
            design=self.design,
            outcome=self.model.outcome,
            coefficients=tuple(map(float, self.at)),
            information=known,
            intercept=self.intercept,
            weights=self.model.weights,
            offset=self.model.offset,
            keys=self.model.keys,
        )
        return self.standard.ask([query])[0]


def _refuse_collinear(terms: tuple[str, ...], information: Floats) -> None:
    values, vectors = np.linalg.eigh(information)
    if values[-1] > COLLINEAR * max(values[0], 0.0):
        raise EstimationError(
            f"{', '.join(loaded(terms, vectors[:, 0]))}: one of these follows from the others "
            "over the whole network; leave one out"
        )


def _half_log_determinant(information: Floats) -> float:
    sign, value = np.linalg.slogdet(information)
    return float(value) / 2 if sign > 0 else -np.inf


def _cube(entries: Floats, p: int) -> Floats:
    """The symmetric array of the third derivatives, shape (p, p, p)."""
    cube, at = np.empty((p, p, p)), third_entries(p)
    for axes in permutations(at):
        cube[axes] = entries
    return cube


def _uphill(curvature: Floats, information: Floats, score: Floats, reach: Floats) -> Floats:
    """Newton's step; by the information where the penalised likelihood curves the wrong way.

    It is shortened until no term changes log-odds by more than the longest step: of a rare flag
    whose holders have a risk R times that of others Newton takes R - 1 for log R.
    """
    values, vectors = np.linalg.eigh(curvature)
    if values[0] <= 0:
        values, vectors = np.linalg.eigh(information)
    values = np.maximum(values, values[-1] / COLLINEAR)
    step = vectors @ ((vectors.T @ score) / values)
    return np.asarray(step / max(1.0, np.abs(step * reach).max() / LONGEST_STEP))


def _foreseen(information: Floats, change: Floats) -> Floats:
    """The information after a step by which it changes, positive definite however long the step.

    Towards separation an information shrinks by a factor a step: its logarithm is what is linear.
    """
    root = np.linalg.cholesky(information)
    relative = np.linalg.solve(root, np.linalg.solve(root, change).T)
    values, vectors = np.linalg.eigh((relative + relative.T) / 2)
    grown = root @ (vectors * np.exp(np.clip(values, -5, 5))) @ vectors.T @ root.T
    return np.asarray((grown + grown.T) / 2)


def _intercept_step(total: Total, step: Floats) -> float:
    """Newton's, and what the step of the other coefficients takes from the intercept."""
    information = symmetric(total["information"])
    newton = total.number("intercept_score") / total.number("intercept_information")
    newton = float(np.clip(newton, -LONGEST_STEP, LONGEST_STEP))
    return float(newton - information[0, 1:] @ step[1:] / information[0, 0])
