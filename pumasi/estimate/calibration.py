"""Whether a given model's risks are right, over hospitals: in the large, by slope, by risk; Brier.

- Intercept: the maximum-likelihood shift of the log-odds with the slope held at 1; 0 is ideal.
- Slope: of the outcome's log-odds on the predicted ones; 1 is ideal, < 1 is overfitting. Both by
  Newton's method, together in the same exchanges (Cox, Biometrika 1958;45:562-565; Van Calster et
  al., BMC Medicine 2019;17:230). Estimates are those of the pooled rows, standard errors those of
  the inverse information, rows taken as independent.
- Brier score: mean of (outcome - risk)^2 (Brier, Monthly Weather Review 1950;78:1-3).
- Curve: rows by risk, in 1,000 fixed bins of the log-odds whose neighbours are merged until each
  has the minimum of persons with and without the outcome; then joined to about equal numbers of
  rows. A bin shows rows, mean risk and the share with the outcome, with Wilson's interval.

First exchange: the sums at intercept 0 and slope 1, and the curve; then one exchange a step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from pumasi.errors import EstimationError
from pumasi.estimate.discrimination import Risk
from pumasi.estimate.together import Asking, together
from pumasi.federation.network import Total, Totals
from pumasi.federation.queries import CalibrationBins, CalibrationStep
from pumasi.federation.queries.bins import merged
from pumasi.federation.queries.glm import symmetric
from pumasi.federation.rows import Floats

TOLERANCE = 1e-9
MAXIMUM_STEPS = 25
# Beyond this ratio of its eigenvalues an information tells nothing of the slope.
FLAT = 1e12
# Standard error of a slope that has no finite value.
SEPARATED = 100.0


@dataclass(frozen=True)
class Curve:
    """The calibration curve, one entry a bin, shape (k,), from the lowest risk."""

    rows: Floats
    risk: Floats
    observed: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True)
class Calibration:
    """How right the risks are; `mean_risk` and `observed` are means over rows."""

    intercept: float
    intercept_error: float
    slope: float
    slope_error: float
    mean_risk: float
    observed: float
    brier: float
    curve: Curve
    exchanges: int


def calibration(network: Totals, risk: Risk, bins: int = 10) -> Calibration:
    """Judge the risks of the network.

    Args:
        network: who is asked.
        risk: the model, and the persons.
        bins: of the curve, at most.

    Raises:
        EstimationError: all rows have one risk, or the slope has no finite value.
        SuppressedError: too few persons with, or without the outcome.
        FederationError: a hospital refused, or did not answer.
    """
    [found] = together(network, calibrating(risk, bins))
    assert isinstance(found, Calibration)  # noqa: S101
    return found


def calibrating(risk: Risk, bins: int = 10) -> Asking:
    """As `calibration`, to be asked together with others."""
    same = risk.parameters()
    first, held = yield [CalibrationStep.model_validate(same), CalibrationBins.model_validate(same)]
    shift, line, total, exchanges = 0.0, np.array([0.0, 1.0]), first, 1
    before, step = -np.inf, np.zeros(2)
    scale = max(1.0, abs(first.number("shift_score")), float(np.abs(first["line_score"]).max()))
    while not _converged(total, scale):
        if exchanges > MAXIMUM_STEPS:
            raise EstimationError(f"recalibration did not converge after {exchanges} exchanges")
        reached = total.number("line_likelihood")
        if reached < before - 1e-9 * abs(before):
            step = step / 2
            line = line - step
        else:
            before, step = reached, _newton(total)
            line = line + step
        newton = total.number("shift_score") / total.number("shift_information")
        shift += float(np.clip(newton, -2.0, 2.0))
        query = CalibrationStep.model_validate(
            {**same, "shift": shift, "line": tuple(map(float, line))}
        )
        [total] = yield [query]
        exchanges += 1
    covariance = np.linalg.inv(symmetric(total["line_information"]))
    if np.sqrt(covariance[1, 1]) > SEPARATED:
        raise EstimationError("risk separates those with the outcome: the slope is infinite")
    rows = first.number("rows")
    return Calibration(
        intercept=shift,
        intercept_error=float(total.number("shift_information") ** -0.5),
        slope=float(line[1]),
        slope_error=float(np.sqrt(covariance[1, 1])),
        mean_risk=first.number("risk") / rows,
        observed=first.number("events") / rows,
        brier=first.number("squared_error") / rows,
        curve=_curve(held, bins),
        exchanges=exchanges,
    )


def _converged(total: Total, scale: float) -> bool:
    norms = abs(total.number("shift_score")), float(np.linalg.norm(total["line_score"]))
    return max(norms) <= TOLERANCE * scale


def _newton(total: Total) -> Floats:
    information = symmetric(total["line_information"])
    values = np.linalg.eigvalsh(information)
    if values[-1] > FLAT * max(values[0], 0.0):
        raise EstimationError("all rows have nearly the same risk: there is no slope")
    return np.asarray(np.linalg.solve(information, total["line_score"]))


def _curve(held: Total, bins: int) -> Curve:
    """Merged bins, joined to at most `bins` of about equal numbers of rows."""
    _, rows = merged(held["rows"])
    _, risk = merged(held["risk"])
    n = rows.sum(axis=0)
    middle = np.cumsum(n) - n / 2
    number = np.minimum((middle / n.sum() * bins).astype(int), bins - 1)
    start = np.flatnonzero(np.diff(number, prepend=-1))
    without, have = np.add.reduceat(rows, start, axis=1)
    n = without + have
    observed, z = have / n, norm.ppf(0.975)
    middle = (observed + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(observed * (1 - observed) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return Curve(n, np.add.reduceat(risk, start) / n, observed, middle - half, middle + half)
