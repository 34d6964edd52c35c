"""AUROC of a given model's risks over hospitals, without a small cell.

First exchange: rows by risk, in 1,000 fixed bins of the log-odds, without and with the outcome;
neighbouring bins are merged until each has the minimum of persons, and of each its rows with mean
and variance of their log-odds are known, within which they are taken as normal. Second: with F0 the
merged distribution of those without the outcome and F1 of those with it, every hospital sums
F0(risk) over its rows with the outcome, 1 - F1(risk) over those without, and what each may be off
by. The area is the mean of one of the two, of whichever can be off by less: the exact area is
within `error` of it, and usually far nearer, since errors of bins cancel.

Rows are the units of the area, of pairs of rows with and without the outcome. Its variance sums
placements by person, so that a person's rows may be correlated (Obuchowski, Biometrics
1997;53:567-578); with one row a person it is that of DeLong, DeLong and Clarke-Pearson (Biometrics
1988;44:837-845). Squares are taken around the area of the first exchange, so that nobody learns how
many rows few persons have; the factor n / (n - 1) of the mixed term takes the larger group for n.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pumasi.auroc import on_logit, variance_between_persons
from pumasi.errors import EstimationError
from pumasi.estimate.together import Asking, together
from pumasi.federation.network import Total, Totals
from pumasi.federation.queries import Placements, RiskHistogram
from pumasi.federation.queries.bins import merged
from pumasi.federation.queries.risk import BINS, Distribution
from pumasi.federation.rows import ALL_PERSONS, Design, Keys

# Deviation of places below which risks are one: what room the sums' rounding has.
NARROWEST = 1e-5


@dataclass(frozen=True)
class Risk:
    """A model whose risks are judged.

    Args:
        design: the terms of its linear predictor, the log-odds.
        coefficients: one per term.
        outcome: column of 0 and 1.
        keys: persons on whose rows it is judged.
    """

    design: Design
    coefficients: tuple[float, ...]
    outcome: str
    keys: Keys = ALL_PERSONS

    def parameters(self) -> dict[str, Any]:
        """What every query of these risks has."""
        return {
            "design": self.design,
            "coefficients": self.coefficients,
            "outcome": self.outcome,
            "keys": self.keys,
        }


@dataclass(frozen=True)
class Discrimination:
    """The area, within `error` of the exact one, with its variance between persons.

    The interval is normal on the logit of the area (Pepe, The Statistical Evaluation of Medical
    Tests, 2003); (nan, nan) if no variance can be estimated.
    """

    area: float
    error: float
    variance: float
    lower: float
    upper: float
    exchanges: int


def discrimination(network: Totals, risk: Risk, level: float = 0.95) -> Discrimination:
    """The AUROC of the network.

    Raises:
        EstimationError: fewer than two persons with, or without the outcome.
        SuppressedError: too few persons with, or without the outcome.
        FederationError: a hospital refused, or did not answer.
    """
    [found] = together(network, discriminating(risk, level))
    assert isinstance(found, Discrimination)  # noqa: S101
    return found


def discriminating(risk: Risk, level: float = 0.95) -> Asking:
    """As `discrimination`, to be asked together with others."""
    same = risk.parameters()
    [histogram] = yield [RiskHistogram.model_validate(same)]
    controls, cases = _distribution(histogram, "control"), _distribution(histogram, "case")
    about = _area(controls, cases)
    query = Placements.model_validate({**same, "controls": controls, "cases": cases, "area": about})
    [total] = yield [query]
    n_cases, n_controls = total.number("cases"), total.number("controls")
    with_event, without = total.number("case_persons"), total.number("control_persons")
    if min(with_event, without) < 1.5:
        raise EstimationError("AUROC needs two persons with and two without the outcome")
    of_cases = total.number("case_placement") / n_cases
    of_controls = total.number("control_placement") / n_controls
    case_error = total.number("case_error") / n_cases
    control_error = total.number("control_error") / n_controls
    area, error = min(
        ((of_cases, case_error), (of_controls, control_error)), key=lambda each: each[1]
    )
    u, v, mixed = total["squares"]
    # Around the mean, not around what was taken for it: exact with one row a person.
    u, v = u - n_cases * (of_cases - about) ** 2, v - n_controls * (of_controls - about) ** 2
    most = max(with_event, without)
    variance = variance_between_persons(
        (u, v, mixed), (n_cases, n_controls), (with_event, without, most)
    )
    interval = on_logit(area, variance, level)
    return Discrimination(area, error, variance, interval.lower, interval.upper, exchanges=2)


def _distribution(histogram: Total, who: str) -> Distribution:
    last, rows = merged(histogram[f"{who}s"])
    mean = merged(histogram[f"{who}_places"])[1] / rows
    variance = merged(histogram[f"{who}_squares"])[1] / rows - mean**2
    deviation = np.sqrt(np.maximum(variance, NARROWEST**2))
    return Distribution(
        last=tuple(map(int, last)),
        share=tuple(map(float, rows / rows.sum())),
        mean=tuple(map(float, mean)),
        deviation=tuple(map(float, deviation)),
    )


def _area(controls: Distribution, cases: Distribution) -> float:
    """About the area: as if each merged bin of the cases were all at its mean."""
    place = np.asarray(cases.mean)
    number = np.minimum(place * BINS, BINS - 1).astype(np.int64)
    below, _ = controls.below(place, number)
    return float(np.clip(np.asarray(cases.share) @ below, 0.0, 1.0))
