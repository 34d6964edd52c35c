"""AUROC and calibration of a model on noisy sums: how much the figures tell of a person is bounded.

One exchange. Every hospital sends its persons by outcome and by bin of the model's log-odds, with
discrete Gaussian noise of its own (`pumasi.federation.queries.bounded`, `pumasi.disclosure.noise`).
A person counts once, by shares if there are several rows. With n0 and n1 the noisy counts by bin,
N0 and N1 their sums and s the deviation of the noise in one of them:

- Area A = sum of n1 F0 / N1, F0 being the share of those without the outcome in lower bins and half
  of those in the same; likewise F1. What lies within one bin is not known: the area of the pooled
  persons is within `error` of A, but for the noise. The variance is that of DeLong, DeLong and
  Clarke-Pearson (Biometrics 1988;44:837-845), shares of persons taken as persons, and by noise

    s^2 (sum (F0 - A)^2 / N1^2 + sum (1 - F1 - A)^2 / N0^2) + s^4 sum (w - A)^2 / (N0 N1)^2,

  the first and second order of A in the noise; w of a pair of bins is 1, 1/2 or 0.
- Calibration, as in `pumasi.estimate.calibration`: the log-odds of a bin are its middle, and the
  score of a bin is n1 (1 - p) - n0 p, whose noise has variance s^2 ((1 - p)^2 + p^2). Added to the
  covariance is J^-1 N J^-1, with J the information and N the sum of that (the same correction of an
  M-estimator as in `pumasi.estimate.private_logistic`).

Nothing is said where noise hides how many persons there are with, or without the outcome.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from pumasi.auroc import on_logit
from pumasi.errors import EstimationError
from pumasi.estimate.private_logistic import SHORT_OF_ALL, Bounded, require_guarantee
from pumasi.federation.messages import Privacy
from pumasi.federation.network import NoisyTotals
from pumasi.federation.queries import BoundedRisks
from pumasi.federation.rows import ALL_PERSONS, Floats, Keys
from pumasi.federation.zcdp import epsilon_of, rho_of

# A person is in one bin with and without the outcome, or in parts in several: at most this long.
LENGTH = 1.0
# How many standard deviations of its noise a sum is, if it is to be divided by.
SEEN = 5.0
TOLERANCE = 1e-9
MAXIMUM_STEPS = 50
# Longest step, in log-odds and in slope.
LONGEST_STEP = 1.0


@dataclass(frozen=True)
class PrivateRisk:
    """A model whose risks are judged with noise.

    Args:
        terms: with their bounds, within which the model takes them.
        coefficients: the intercept, then one a term, on the scale of the columns.
        outcome: column of 0 and 1.
        epsilon: of the answer, for the persons of each hospital.
        delta: of the answer; below one in the number of persons.
        lowest: log-odds below which risks are not told apart.
        highest: log-odds above which risks are not told apart. A range wider than that of the risks
            has bins that hold noise only.
        bins: of one width, between the two. More tell risks better apart, and have more noise.
        keys: persons on whom the model is judged.
    """

    terms: tuple[Bounded, ...]
    coefficients: tuple[float, ...]
    outcome: str
    epsilon: float
    delta: float
    lowest: float = -5.0
    highest: float = 3.0
    bins: int = 32
    keys: Keys = ALL_PERSONS

    def __post_init__(self) -> None:
        require_guarantee(self.epsilon, self.delta)
        if len(self.coefficients) != 1 + len(self.terms):
            raise EstimationError("an intercept is needed, and one coefficient a term")

    def query(self) -> BoundedRisks:
        """What is asked: the model on scaled terms."""
        lower = np.array([term.lower for term in self.terms])
        upper = np.array([term.upper for term in self.terms])
        slopes = np.array(self.coefficients[1:])
        intercept = self.coefficients[0] + slopes @ ((lower + upper) / 2)
        return BoundedRisks(
            terms=tuple(term.name for term in self.terms),
            lower=tuple(map(float, lower)),
            upper=tuple(map(float, upper)),
            outcome=self.outcome,
            coefficients=(float(intercept), *map(float, slopes * (upper - lower) / 2)),
            lowest=float(self.lowest),
            highest=float(self.highest),
            bins=self.bins,
            keys=self.keys,
        )


@dataclass(frozen=True)
class Noisy:
    """A figure, its standard error of sampling and noise together, and the noise's part of it."""

    value: float
    standard_error: float
    noise: float


@dataclass(frozen=True)
class PrivatePerformance:
    """How a model does, by noisy sums.

    Args:
        area: AUROC, within `error` of that of the persons, but for the noise.
        error: what is not known because risks of one bin are not told apart.
        lower, upper: 95 % interval of the area, normal on its logit, sampling and noise.
        intercept: shift of the log-odds with the slope held at 1; 0 is ideal.
        slope: of the outcome's log-odds on the predicted ones; 1 is ideal. None where the noise
            hides it: a narrower range, fewer bins, more persons or more budget are needed.
        observed: share of persons with the outcome.
        epsilon, delta: what every hospital has spent, `rho` as its ledger books it.
    """

    area: Noisy
    error: float
    lower: float
    upper: float
    intercept: Noisy
    slope: Noisy | None
    observed: Noisy
    epsilon: float
    delta: float
    rho: float


def judge_private_risk(network: NoisyTotals, risk: PrivateRisk) -> PrivatePerformance:
    """Judge the risks of the network's persons, in one exchange.

    Raises:
        EstimationError: noise hides how many persons there are with, or without the outcome, or
            whether the risks are right in the large. What was answered is spent.
        RefusalError: a hospital has not the budget, or answers with no noise; it is named.
        FederationError: a hospital did not answer.
    """
    rho = rho_of(risk.epsilon, risk.delta) * SHORT_OF_ALL
    privacy, query = Privacy(clip=LENGTH, rho=rho), risk.query()
    [total] = network.noisy_total([query], privacy)
    deviation = privacy.deviation(query.parts()[0], len(total.contributors))
    counts = _Counts(total["persons"], query.middles, deviation)
    counts.require_seen()
    area, error = counts.area()
    interval = on_logit(area.value, area.standard_error**2)
    line = counts.recalibrated(np.column_stack([np.ones(risk.bins), query.middles]), [0.0, 1.0])
    shift = counts.recalibrated(np.ones((risk.bins, 1)), [0.0], offset=query.middles)
    if shift is None:
        raise EstimationError("noise hides whether risks are right in the large; it is spent")
    return PrivatePerformance(
        area=area,
        error=error,
        lower=interval.lower,
        upper=interval.upper,
        intercept=shift[0],
        slope=None if line is None else line[1],
        observed=counts.observed(),
        epsilon=epsilon_of(rho, risk.delta),
        delta=risk.delta,
        rho=rho,
    )


@dataclass(frozen=True)
class _Counts:
    """Noisy counts of persons without and with the outcome, (2, k), by bins with these middles."""

    persons: Floats
    middles: Floats
    deviation: float

    def require_seen(self) -> None:
        of_sum = self.deviation * np.sqrt(len(self.middles))
        if self.persons.sum(axis=1).min() < SEEN * of_sum:
            raise EstimationError(
                "noise hides how many persons there are with, or without the outcome, so that "
                "nothing is said of the model; what was answered is spent. Ask with more persons, "
                "fewer bins or more budget"
            )

    def area(self) -> tuple[Noisy, float]:
        """The area, and by how much it may be off since risks of a bin are one."""
        without, have = self.persons
        n0, n1 = self.persons.sum(axis=1)
        below = (np.cumsum(without) - without / 2) / n0
        above = 1 - (np.cumsum(have) - have / 2) / n1
        area = float(have @ below / n1)
        if not 0 < area < 1:
            raise EstimationError("noise hides the AUROC; what was answered is spent")
        of_cases, of_controls = (below - area) ** 2, (above - area) ** 2
        sampling = max(0.0, have @ of_cases) / n1**2 + max(0.0, without @ of_controls) / n0**2
        bins = np.arange(len(self.middles))
        pairs = (bins[:, None] > bins) + (bins[:, None] == bins) / 2 - area
        first = of_cases.sum() / n1**2 + of_controls.sum() / n0**2
        second = (pairs**2).sum() / (n0 * n1) ** 2
        noise = self.deviation**2 * first + self.deviation**4 * second
        error = max(0.0, float(without @ have)) / (2 * n0 * n1)
        return Noisy(area, float(np.sqrt(sampling + noise)), float(np.sqrt(noise))), error

    def observed(self) -> Noisy:
        """Share with the outcome."""
        n0, n1 = self.persons.sum(axis=1)
        n, share = n0 + n1, n1 / (n0 + n1)
        of_sum = self.deviation**2 * len(self.middles)
        noise = of_sum * (n0**2 + n1**2) / n**4
        return Noisy(
            float(share), float(np.sqrt(share * (1 - share) / n + noise)), float(noise**0.5)
        )

    def recalibrated(
        self, x: Floats, start: list[float], offset: Floats | None = None
    ) -> list[Noisy] | None:
        """Logistic regression of the outcome on x, (k, q), by Newton's method; None if hidden."""
        without, have = self.persons
        known = np.zeros(len(x)) if offset is None else offset
        at = np.array(start)
        for _ in range(MAXIMUM_STEPS):
            p = expit(x @ at + known)
            information = (x * ((without + have) * p * (1 - p))[:, None]).T @ x
            if np.linalg.eigvalsh(information)[0] <= 0:
                return None
            inverse = np.linalg.inv(information)
            if self._of_information(x, p, inverse) > 1 / SEEN:
                return None
            move = inverse @ x.T @ (have * (1 - p) - without * p)
            if np.abs(move).max() <= TOLERANCE:
                noise = self.deviation**2 * (x * (p**2 + (1 - p) ** 2)[:, None]).T @ x
                return _with_errors(at, np.diag(inverse), np.diag(inverse @ noise @ inverse))
            at = at + move * min(1.0, LONGEST_STEP / np.abs(move).max())
        return None

    def _of_information(self, x: Floats, p: Floats, inverse: Floats) -> float:
        """Standard deviation of the information's noise, relative to it, in the Frobenius norm."""
        leverage = ((x @ inverse) * x).sum(axis=1)
        return float(self.deviation * np.sqrt(2 * ((p * (1 - p) * leverage) ** 2).sum()))


def _with_errors(values: Floats, sampling: Floats, noise: Floats) -> list[Noisy]:
    every = zip(values, np.sqrt(sampling + noise), np.sqrt(noise), strict=True)
    return [Noisy(*map(float, each)) for each in every]
