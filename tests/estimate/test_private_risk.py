"""AUROC and calibration with noise are off the exact ones by what their standard errors say.

Authorities: scikit-learn for the area, statsmodels for recalibration. Noise is that of the
hospitals, drawn anew in every run: limits are such that one run in thousands is beyond one.
"""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from pumasi.errors import EstimationError, FederationError, QueryError
from pumasi.estimate.private_logistic import Bounded
from pumasi.estimate.private_risk import PrivateRisk, judge_private_risk
from pumasi.federation.rows import Floats, Keys, Rows
from pumasi.federation.zcdp import epsilon_of
from tests.estimate.hospitals import divided, network, rows_of

TERMS = (Bounded("age", 0, 100), Bounded("attacks", 0, 6))
TRUTH = (-2.5, 0.01, 0.5)  # on the scale of the columns
# A model that is wrong in a known way: log-odds are 0.4 + 0.7 of those that it gives.
MODEL = tuple((each - 0.4 * (number == 0)) / 0.7 for number, each in enumerate(TRUTH))


def sample(rng: np.random.Generator, n: int = 8_000) -> Rows:
    """Persons of whom the truth is true, at four hospitals."""
    age = rng.uniform(10, 90, n)
    attacks = np.minimum(rng.poisson(1.5, n), 6)
    y = rng.random(n) < expit(np.column_stack([np.ones(n), age, attacks]) @ TRUTH)
    return divided(rows_of({"age": age, "attacks": attacks, "y": y}), np.arange(n) % 4)


def log_odds(rows: Rows) -> Floats:
    x = np.column_stack([np.ones(len(rows)), rows.column("age"), rows.column("attacks")])
    return np.asarray(x @ MODEL)


def asked(epsilon: float = 3.0, **more: object) -> PrivateRisk:
    return PrivateRisk(TERMS, MODEL, "y", epsilon=epsilon, delta=1e-6, **more)  # type: ignore[arg-type]


def exact(rows: Rows) -> tuple[float, float, float, float]:
    """Area by scikit-learn; intercept, slope and the slope's standard error by statsmodels."""
    y, risk = rows.column("y"), log_odds(rows)
    shift = sm.GLM(y, np.ones(len(y)), offset=risk, family=sm.families.Binomial()).fit()
    line = sm.GLM(y, sm.add_constant(risk), family=sm.families.Binomial()).fit()
    return float(roc_auc_score(y, risk)), shift.params[0], line.params[1], line.bse[1]


def test_without_noise_to_speak_of_it_is_as_scikit_learn_and_statsmodels_say() -> None:
    rows = sample(np.random.default_rng(1))
    area, intercept, slope, slope_error = exact(rows)
    found = judge_private_risk(network(rows), asked(1e7, bins=200))
    assert abs(found.area.value - area) <= found.error + 1e-5
    assert found.error < 0.01
    # Middles of bins 0.04 wide stand for log-odds.
    assert found.intercept.value == pytest.approx(intercept, abs=1e-3)
    assert found.slope is not None
    assert found.slope.value == pytest.approx(slope, abs=2e-3)
    assert found.slope.standard_error == pytest.approx(slope_error, rel=0.01)
    assert found.observed.value == pytest.approx(rows.column("y").mean(), abs=1e-5)


def test_figures_are_off_by_what_their_standard_errors_say() -> None:
    """200 runs with persons of their own: by the noise alone, and by both off the truth.

    200 intervals of 95 % hold less than 0.88 once in some 30,000 files.
    """
    rng = np.random.default_rng(2)
    great = sample(rng, 400_000)
    true_area = exact(great)[0]
    off: dict[str, list[float]] = {name: [] for name in ("area", "slope", "noise", "by_noise")}
    for _ in range(200):
        rows = sample(rng)
        found = judge_private_risk(network(rows), asked())
        area, _, slope, _ = exact(rows)
        assert found.slope is not None
        off["area"].append((found.area.value - true_area) / found.area.standard_error)
        off["slope"].append((found.slope.value - 0.7) / found.slope.standard_error)
        off["noise"].append((found.area.value - area) / found.area.noise)
        off["by_noise"].append((found.slope.value - slope) / found.slope.noise)
    held = {name: float((np.abs(scores) < 1.96).mean()) for name, scores in off.items()}
    assert min(held.values()) > 0.88, held
    assert max(np.std(scores) for scores in off.values()) < 1.25
    assert min(np.std(scores) for scores in off.values()) > 0.8


def test_what_is_spent_is_the_epsilon_that_was_asked_for() -> None:
    found = judge_private_risk(network(sample(np.random.default_rng(3))), asked())
    assert found.epsilon == pytest.approx(3.0, rel=1e-6)
    assert found.epsilon <= 3.0
    assert epsilon_of(found.rho, found.delta) == found.epsilon
    assert found.lower < found.area.value < found.upper


def test_nothing_is_said_of_a_few_persons() -> None:
    rows = sample(np.random.default_rng(4), 300)
    with pytest.raises(EstimationError, match="noise hides how many persons"):
        judge_private_risk(network(rows), asked(0.5))


def test_it_is_judged_on_the_persons_that_were_asked_for() -> None:
    rows = sample(np.random.default_rng(5))
    tests = Keys(first=80, last=99)
    found = judge_private_risk(network(rows), asked(1e7, bins=200, keys=tests))
    assert abs(found.area.value - exact(tests.chosen(rows))[0]) <= found.error + 1e-5


@given(
    arrays(np.float64, (9, 2), elements=st.floats(-1e4, 1e4)),
    arrays(np.bool_, 9),
    st.integers(1, 9),
)
def test_nobody_is_longer_than_the_clip_and_everybody_counts_one(
    x: Floats, y: np.ndarray, rows_a_person: int
) -> None:
    rows = rows_of({"age": x[:, 0], "attacks": x[:, 1], "y": y}, rows_a_person=rows_a_person)
    counted = asked().query().contributions(rows)
    assert (np.linalg.norm(counted, axis=1) <= 1 + 1e-12).all()
    np.testing.assert_allclose(counted.sum(axis=1), 1.0, atol=1e-12)


def test_it_is_never_answered_exactly() -> None:
    rows = sample(np.random.default_rng(6), 400)
    with pytest.raises(FederationError, match="do not allow the answer: parameters_do_not_fit"):
        network(rows).total([asked().query()])
    with pytest.raises(QueryError, match="answered with noise only"):
        asked().query().compute(rows)


def test_a_plan_that_can_t_be_is_refused_before_anything_is_spent() -> None:
    with pytest.raises(EstimationError, match="a guarantee needs"):
        asked(0.0)
    with pytest.raises(EstimationError, match="one coefficient a term"):
        PrivateRisk(TERMS, (0.0,), "y", epsilon=1.0, delta=1e-6)
    with pytest.raises(ValueError, match="lowest log-odds"):
        asked(lowest=1.0, highest=1.0).query()
