"""Discrimination and calibration of hospitals: those of the pool, and within their bounds."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import norm

from pumasi.auroc import auroc
from pumasi.errors import EstimationError, FederationError, QueryError, SuppressedError
from pumasi.estimate.calibration import Calibration, calibration
from pumasi.estimate.discrimination import Discrimination, Risk, discrimination
from pumasi.federation.queries.risk import Distribution
from pumasi.federation.rows import Design, Floats, Rows
from pumasi.learn.metrics import calibration_intercept, calibration_slope
from tests.estimate.hospitals import (
    Split,
    by_covariate,
    by_outcome,
    divided,
    fair,
    lopsided,
    network,
    pooled,
    rows_of,
)

WOMEN = Risk(
    Design(terms=("1", "age", "yrs_married", "is_religious")), (0.5, -0.06, 0.15, -1.0), "affair"
)
GIVEN = Risk(Design(terms=("log_odds",)), (1.0,), "y")
SPLITS = pytest.mark.parametrize(
    "split",
    [by_covariate("age"), by_outcome("affair"), lopsided],
    ids=("covariate", "outcome", "lopsided"),
)
MASKED = pytest.mark.parametrize("masked", [True, False], ids=("masked", "clear"))


def risk_of(rows: Rows) -> Floats:
    x = np.column_stack([rows.column(name) for name in WOMEN.design.terms[1:]])
    return np.asarray(expit(WOMEN.coefficients[0] + x @ np.asarray(WOMEN.coefficients[1:])))


def area(found: Discrimination) -> Floats:
    return np.array([found.area, found.error, found.variance, found.lower, found.upper])


def right(found: Calibration) -> Floats:
    numbers = [
        [found.intercept, found.intercept_error, found.slope, found.slope_error],
        [found.mean_risk, found.observed, found.brier],
        found.curve.rows,
        found.curve.risk,
        found.curve.observed,
        found.curve.lower,
        found.curve.upper,
    ]
    return np.concatenate([np.asarray(each) for each in numbers])


@SPLITS
@MASKED
def test_both_of_hospitals_are_those_of_the_pool(split: Split, masked: bool) -> None:
    rows = fair()
    run = network(divided(rows, split(rows)), masked=masked)
    found = area(discrimination(run, WOMEN))
    assert run.exchanges == 2
    np.testing.assert_allclose(found, area(discrimination(pooled(rows), WOMEN)), atol=1e-9, rtol=0)
    run = network(divided(rows, split(rows)), masked=masked)
    judged = calibration(run, WOMEN)
    theirs = right(calibration(pooled(rows), WOMEN))
    np.testing.assert_allclose(right(judged), theirs, atol=1e-9, rtol=1e-9)
    assert judged.exchanges == run.exchanges <= 10


def test_discrimination_is_near_the_exact_one() -> None:
    rows = fair()
    found = discrimination(network(divided(rows, lopsided(rows))), WOMEN)
    exact = auroc(rows.column("affair") == 1, risk_of(rows))
    assert abs(found.area - exact.estimate) <= min(found.error, 1e-3)
    assert found.lower == pytest.approx(exact.lower, abs=1e-3)
    assert found.upper == pytest.approx(exact.upper, abs=1e-3)


@given(
    seed=st.integers(0, 10_000),
    n=st.integers(150, 3000),
    spread=st.floats(0.02, 4.0),
    levels=st.sampled_from([0, 2, 6]),
)
@settings(max_examples=40, deadline=None)
def test_the_exact_area_is_within_the_error(seed: int, n: int, spread: float, levels: int) -> None:
    rng = np.random.default_rng(seed)
    score = rng.normal(size=n)
    if levels:
        score = np.round(score * levels / 4)
    y = rng.random(n) < expit(score - 1)
    log_odds = spread * score - 2
    rows = divided(rows_of({"log_odds": log_odds, "y": y}), np.arange(n) % 4)
    found = discrimination(network(rows), GIVEN)
    exact = auroc(y, np.clip(expit(log_odds), 1e-15, 1 - 1e-15))
    assert abs(found.area - exact.estimate) <= found.error + 1e-9


@pytest.mark.parametrize("shape", ["even", "narrow", "skewed", "levels"])
def test_with_thousands_of_controls_the_area_is_exact_to_a_thousandth(shape: str) -> None:
    rng = np.random.default_rng(11)
    n = 8000
    score = rng.gamma(1, size=n) if shape == "skewed" else rng.normal(size=n)
    if shape == "levels":
        score = np.round(score)
    y = rng.random(n) < expit(score - 4)
    log_odds = {"narrow": 0.1}.get(shape, 1.0) * score - 4
    rows = divided(rows_of({"log_odds": log_odds, "y": y}), np.arange(n) % 4)
    found = discrimination(network(rows), GIVEN)
    exact = auroc(y, expit(log_odds))
    assert abs(found.area - exact.estimate) < 1e-3
    assert found.lower == pytest.approx(exact.lower, abs=1e-3)
    # Risks of a few levels are tied within their bins, as they are.
    if shape == "levels":
        assert found.area == pytest.approx(exact.estimate, abs=3e-4)


def test_variance_is_that_between_persons() -> None:
    rng = np.random.default_rng(12)
    n, each = 600, 5
    own = np.repeat(rng.normal(size=n), each)
    score = own + 0.3 * rng.normal(size=n * each)
    y = rng.random(n * each) < expit(own * 1.5 - 1)
    rows = rows_of({"log_odds": score, "y": y}, rows_a_person=each)
    found = discrimination(network(divided(rows, rows.person % 4)), GIVEN)
    # Obuchowski's estimate, written out with exact placements.
    case, control = score[y], np.sort(score[~y])
    of_case = np.searchsorted(control, case) / len(control)
    of_control = 1 - np.searchsorted(np.sort(case), score[~y]) / len(case)
    theta = of_case.mean()
    u = np.bincount(rows.person[y], of_case - theta, minlength=n)
    v = np.bincount(rows.person[~y], of_control - theta, minlength=n)
    have, without = len(set(rows.person[y])), len(set(rows.person[~y]))
    variance = (
        have / (have - 1) * (u @ u) / y.sum() ** 2
        + without / (without - 1) * (v @ v) / (~y).sum() ** 2
        + 2 * n / (n - 1) * (u @ v) / (y.sum() * (~y).sum())
    )
    assert found.variance == pytest.approx(variance, rel=0.01)
    exact = auroc(y, expit(score), rows.person)
    half = (logit(exact.upper) - logit(exact.lower)) / 2 * exact.estimate * (1 - exact.estimate)
    assert (half / norm.ppf(0.975)) ** 2 == pytest.approx(variance, rel=1e-9)
    apart = auroc(y, expit(score))
    assert found.upper - found.lower > 1.2 * (apart.upper - apart.lower)


def test_calibration_is_that_of_metrics_and_statsmodels() -> None:
    rows = fair()
    found = calibration(network(divided(rows, lopsided(rows))), WOMEN)
    y, risk = rows.column("affair"), risk_of(rows)
    # sklearn's Newton, in metrics, stops at 1e-10 of another gradient.
    assert found.slope == pytest.approx(calibration_slope(y == 1, risk), rel=1e-6)
    assert found.intercept == pytest.approx(calibration_intercept(y == 1, risk), abs=1e-9)
    predicted = np.log(risk / (1 - risk))
    theirs = sm.GLM(y, sm.add_constant(predicted), sm.families.Binomial()).fit(tol=1e-14)
    assert found.slope == pytest.approx(theirs.params[1], rel=1e-9)
    assert found.slope_error == pytest.approx(theirs.bse[1], rel=1e-8)
    shift = sm.GLM(y, np.ones(len(y)), sm.families.Binomial(), offset=predicted).fit(tol=1e-14)
    assert found.intercept_error == pytest.approx(shift.bse[0], rel=1e-8)
    assert found.brier == pytest.approx(np.mean((y - risk) ** 2), rel=1e-9)
    assert found.mean_risk == pytest.approx(risk.mean(), rel=1e-9)
    curve = found.curve
    assert len(curve.rows) == 10
    assert curve.rows.sum() == pytest.approx(len(rows))
    assert (curve.rows * curve.observed).sum() == pytest.approx(y.sum())
    assert (curve.rows * curve.risk).sum() == pytest.approx(risk.sum())
    order, start = np.argsort(risk, kind="stable"), 0
    for size, mean, share in zip(curve.rows, curve.risk, curve.observed, strict=True):
        mine = order[start : start + round(size)]
        assert risk[mine].mean() == pytest.approx(mean, abs=1e-3)
        assert 10 <= round(share * size) <= round(size) - 10
        start += round(size)


def test_a_slope_that_is_not_there_is_refused() -> None:
    n = np.arange(400)
    y = n % 3 == 0
    rows = rows_of({"y": y, "log_odds": np.where(y, 1.0, -1.0) + n % 7 / 100, "same": n * 0.0 - 1})
    rows = divided(rows, n % 4)
    with pytest.raises((EstimationError, FederationError), match=r"infinite|aimed"):
        calibration(network(rows), GIVEN)
    same = Risk(Design(terms=("same",)), (1.0,), "y")
    with pytest.raises(EstimationError, match="nearly the same risk"):
        calibration(network(rows), same)
    found = discrimination(network(rows), same)
    assert found.area == pytest.approx(0.5, abs=1e-9)


def test_few_cases_are_suppressed_without_a_number() -> None:
    n = np.arange(400)
    rows = divided(rows_of({"y": n < 7, "log_odds": n / 100}), n % 4)
    for judge in (discrimination, calibration):
        with pytest.raises(SuppressedError, match="suppressed is not zero") as error:
            judge(network(rows), GIVEN)
        assert "7" not in str(error.value)


def test_a_distribution_that_is_none_is_refused() -> None:
    sound = Distribution(last=(10, 999), share=(0.5, 0.5), mean=(0.0, 0.5), deviation=(0.1, 0.1))
    place, number = np.array([0.0]), np.array([0])
    assert sound.below(place, number)[0][0] == pytest.approx(0.25)
    wrong: list[dict[str, tuple[float, ...]]] = [
        {"last": (10, 998)},
        {"last": (999, 999)},
        {"share": (0.5, 0.4)},
        {"mean": (0.5,)},
        {"deviation": (0.1, 0.0)},
    ]
    for each in wrong:
        with pytest.raises(QueryError, match="a distribution needs"):
            sound.model_copy(update=each).below(place, number)
