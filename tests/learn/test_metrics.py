"""Discrimination and calibration against their definitions and other ways of computing them."""

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from pumasi.errors import TaskError
from pumasi.learn.metrics import auroc, calibration_intercept, calibration_slope

OUTCOME = np.array([1, 1, 1, 0, 0, 0, 0], dtype=bool)
RISK = np.array([0.9, 0.6, 0.4, 0.6, 0.3, 0.2, 0.1])


def simulated(n: int, seed: int = 7) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    log_odds = generator.normal(-1, 1, n)
    return generator.random(n) < expit(log_odds), expit(log_odds)


def test_area_is_the_share_of_pairs_in_the_right_order_with_ties_as_half() -> None:
    # Pairs by hand: 0.9 beats 4, 0.6 beats 3 and ties 1, 0.4 beats 3 of the 4 without the event.
    assert auroc(OUTCOME, RISK).estimate == pytest.approx((4 + 3.5 + 3) / 12)


def test_area_equals_that_of_scikit_learn() -> None:
    outcome, risk = simulated(500)
    assert auroc(outcome, risk).estimate == pytest.approx(roc_auc_score(outcome, risk), abs=1e-12)


def test_interval_has_the_variance_of_delong_computed_pair_by_pair() -> None:
    """Authority: the placement values of DeLong 1988, equations 4 to 6, written out as loops."""
    outcome, risk = simulated(80)
    cases, controls = risk[outcome], risk[~outcome]
    kernel = (cases[:, None] > controls) + 0.5 * (cases[:, None] == controls)
    area = kernel.mean()
    variance = kernel.mean(axis=1).var(ddof=1) / len(cases)
    variance += kernel.mean(axis=0).var(ddof=1) / len(controls)
    half = norm.ppf(0.975) * np.sqrt(variance) / (area * (1 - area))
    found = auroc(outcome, risk)
    assert found.lower == pytest.approx(expit(logit(area) - half), abs=1e-12)
    assert found.upper == pytest.approx(expit(logit(area) + half), abs=1e-12)


def test_interval_covers_the_area_of_the_population() -> None:
    """95 % of 400 samples, within four Monte Carlo standard errors (0.011 each)."""
    outcome, risk = simulated(400_000, seed=1)
    truth = roc_auc_score(outcome, risk)
    covered = 0
    for start in range(0, 400_000, 1000):
        found = auroc(outcome[start : start + 1000], risk[start : start + 1000])
        covered += found.lower <= truth <= found.upper
    assert covered / 400 == pytest.approx(0.95, abs=4 * 0.011)


def test_area_needs_two_persons_of_each_kind() -> None:
    with pytest.raises(TaskError, match="two persons with and two without"):
        auroc(np.array([True, False, False]), np.array([0.3, 0.2, 0.1]))


def test_perfect_order_has_no_interval() -> None:
    found = auroc(np.array([True, True, False, False]), np.array([0.9, 0.8, 0.2, 0.1]))
    assert found.estimate == 1
    assert np.isnan(found.lower)


def test_true_risks_are_calibrated() -> None:
    outcome, risk = simulated(200_000)
    assert calibration_slope(outcome, risk) == pytest.approx(1, abs=0.03)
    assert calibration_intercept(outcome, risk) == pytest.approx(0, abs=0.03)


def test_risks_that_are_too_extreme_have_a_slope_below_one() -> None:
    outcome, risk = simulated(200_000)
    assert calibration_slope(outcome, expit(2 * logit(risk))) == pytest.approx(0.5, abs=0.02)


def test_risks_that_are_too_high_have_a_negative_intercept() -> None:
    outcome, risk = simulated(200_000)
    assert calibration_intercept(outcome, expit(logit(risk) + 1)) == pytest.approx(-1, abs=0.03)
