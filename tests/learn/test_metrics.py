"""Discrimination and calibration against their definitions and other ways of computing them."""

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from pumasi.auroc import auroc
from pumasi.errors import TaskError
from pumasi.learn.metrics import calibration_intercept, calibration_slope

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


# 43 patients with ovarian cancer: albumin, total protein, 10 minus the K-G score, and whether they
# benefited from surgery. DeLong 1988, as printed in SAS/STAT, example "Comparing ROC Curves" of
# PROC LOGISTIC.
OVARIAN = """
3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0
1.6 5.6 5 1   3.8 5.7 5 1  3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1
4.3 7.0 4 1   3.6 6.7 4 0  2.3 4.4 6 1  4.2 7.6 4 0  4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1
3.0 4.7 8 0   4.5 7.4 5 1  3.7 7.4 5 1  3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1  4.3 6.5 4 1
3.2 5.1 5 1   2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0  3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1
3.5 6.2 5 1   2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1  3.3 5.7 6 1  3.7 6.9 5 1
3.6 6.6 5 1
"""


@pytest.mark.parametrize(
    ("test", "area", "error"),
    [("albumin", 0.7366, 0.0927), ("protein", 0.6478, 0.1000), ("K-G score", 0.7258, 0.1028)],
)
def test_area_and_its_standard_error_are_those_that_sas_prints(
    test: str, area: float, error: float
) -> None:
    """Authority: the table "ROC Association Statistics" of that example, to its four decimals."""
    albumin, protein, score, benefited = np.array(OVARIAN.split(), dtype=float).reshape(-1, 4).T
    value = {"albumin": albumin, "protein": protein, "K-G score": 10 - score}[test]
    found = auroc(benefited == 1, value)
    assert found.estimate == pytest.approx(area, abs=5e-5)
    # Our interval is normal on the logit: back to the area by the delta method.
    half = (logit(found.upper) - logit(found.lower)) / 2 * found.estimate * (1 - found.estimate)
    assert half / norm.ppf(0.975) == pytest.approx(error, abs=5e-5)


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


def test_rows_of_a_person_are_no_persons() -> None:
    outcome, risk = simulated(300)
    once = auroc(outcome, risk)
    person = np.tile(np.arange(300), 5)
    five = auroc(np.tile(outcome, 5), np.tile(risk, 5), person)
    assert (five.estimate, five.lower, five.upper) == pytest.approx(
        (once.estimate, once.lower, once.upper), abs=1e-12
    )
    apart = auroc(np.tile(outcome, 5), np.tile(risk, 5))
    assert apart.upper - apart.lower < (once.upper - once.lower) / 2
    with pytest.raises(TaskError, match="got 1 and 2"):
        rows = np.array([True, True, False, False])
        auroc(rows, np.array([0.9, 0.2, 0.3, 0.1]), np.array([1, 1, 2, 3]))


def test_perfect_order_has_no_interval() -> None:
    found = auroc(np.array([True, True, False, False]), np.array([0.9, 0.8, 0.2, 0.1]))
    assert found.estimate == 1
    assert np.isnan(found.lower)


def slope_by_newton(outcome: np.ndarray, risk: np.ndarray) -> float:
    """Maximum likelihood of two coefficients by Newton's method, written out."""
    design = np.column_stack([np.ones(len(risk)), logit(risk)])
    coefficients = np.zeros(2)
    for _ in range(50):
        fitted = expit(design @ coefficients)
        information = design.T @ (design * (fitted * (1 - fitted))[:, None])
        coefficients += np.linalg.solve(information, design.T @ (outcome - fitted))
    score = design.T @ (outcome - expit(design @ coefficients))
    assert np.abs(score).max() < 1e-8
    return float(coefficients[1])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("mean", "spread", "slope"), [(-1, 0.15, 3), (-3, 0.02, 1), (0, 2, 1), (-1, 0.5, -2)]
)
def test_slope_is_that_of_maximum_likelihood(
    mean: float, spread: float, slope: float, seed: int
) -> None:
    """Against Newton's method, to six decimals relative; few persons and risks close together."""
    generator = np.random.default_rng(seed)
    log_odds = generator.normal(mean, spread, 300)
    outcome = generator.random(300) < expit(slope * log_odds)
    found = calibration_slope(outcome, expit(log_odds))
    assert found == pytest.approx(slope_by_newton(outcome, expit(log_odds)), rel=1e-6, abs=1e-6)


def test_slope_has_no_number_where_the_likelihood_has_no_maximum() -> None:
    outcome = np.array([True, True, False, False])
    assert calibration_slope(outcome, np.array([0.9, 0.6, 0.6, 0.1])) == np.inf
    assert calibration_slope(outcome, np.array([0.1, 0.2, 0.6, 0.9])) == -np.inf
    assert np.isnan(calibration_slope(outcome, np.full(4, 0.3)))


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
