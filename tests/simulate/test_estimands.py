"""Estimators of estimands against values worked by hand and exact distributions."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumasi.errors import ConfigError
from pumasi.simulate.estimands import (
    Arms,
    arms_of,
    hazard_ratio,
    rate_ratio,
    rmst_difference,
    slope_difference,
    truth,
    weights,
)


def arms(treated: list[int], time: list[float], event: list[int], weight: object = 1.0) -> Arms:
    n = len(treated)
    return Arms(
        treated=np.array(treated, bool),
        time=np.array(time, float),
        event=np.array(event, bool),
        count=np.array(event, float),
        years=np.array(time, float) / 365,
        slope=np.arange(n, dtype=float),
        weight=np.broadcast_to(np.asarray(weight, float), n).copy(),
    )


def test_the_hazard_ratio_solves_the_partial_likelihood_by_hand() -> None:
    # Events: control on day 1, treated on day 2; one more of each is censored later. With r the
    # ratio the score is 1 - 2r/(2+2r) - 2r/(1+2r) = 0, that is 2 r^2 = 1.
    small = arms([0, 1, 0, 1], [1, 2, 9, 9], [1, 1, 0, 0])
    assert hazard_ratio(small) == pytest.approx(1 / np.sqrt(2))


def test_the_hazard_ratio_of_exponential_times_is_the_ratio_of_their_rates() -> None:
    draw = np.random.default_rng(1)
    treated = np.arange(100_000) % 2
    time = draw.exponential(200 / np.where(treated, 0.5, 1.0))
    of = arms(list(treated), list(np.minimum(time, 365)), list(time < 365))
    assert hazard_ratio(of) == pytest.approx(0.5, abs=0.015)


@given(st.floats(0.1, 10))
def test_a_common_weight_changes_nothing(weight: float) -> None:
    usual = arms([0, 1, 0, 1, 1], [1, 2, 4, 9, 9], [1, 1, 1, 1, 0])
    heavy = arms([0, 1, 0, 1, 1], [1, 2, 4, 9, 9], [1, 1, 1, 1, 0], weight)
    for estimate in (hazard_ratio, rate_ratio, rmst_difference, slope_difference):
        assert estimate(heavy) == pytest.approx(estimate(usual))


def test_a_weight_of_two_is_two_rows() -> None:
    weighted = arms([0, 1, 0, 1], [1, 2, 4, 9], [1, 1, 1, 0], [2, 1, 1, 2])
    doubled = arms([0, 0, 1, 0, 1, 1], [1, 1, 2, 4, 9, 9], [1, 1, 1, 1, 0, 0])
    assert hazard_ratio(weighted) == pytest.approx(hazard_ratio(doubled))
    assert rmst_difference(weighted) == pytest.approx(rmst_difference(doubled))


def test_restricted_means_are_areas_below_the_curve() -> None:
    # Control: one event on day 100 of two, so 100 + 0.5 * 265 days; treated: no event.
    small = arms([0, 0, 1, 1], [100, 365, 365, 365], [1, 0, 0, 0])
    assert rmst_difference(small) == pytest.approx(365 - (100 + 0.5 * 265))


def test_censored_time_counts_until_it_ends() -> None:
    # Of three controls one leaves on day 50; then one of the two left has the event on day 100.
    small = arms([0, 0, 0, 1], [50, 100, 365, 365], [0, 1, 0, 0])
    assert rmst_difference(small) == pytest.approx(365 - (100 + 0.5 * 265))


def test_rate_ratio_is_events_by_time() -> None:
    small = arms([0, 0, 1, 1], [365, 365, 365, 730], [1, 1, 1, 0])
    assert rate_ratio(small) == pytest.approx((1 / 3) / (2 / 2))


def test_an_arm_without_events_has_no_hazard_ratio() -> None:
    assert np.isnan(hazard_ratio(arms([0, 1], [5, 9], [1, 0])))


def test_unknown_slopes_are_left_out() -> None:
    of = arms([0, 0, 1, 1], [9, 9, 9, 9], [1, 1, 1, 1])
    of.slope[:] = [1.0, np.nan, 4.0, 6.0]
    assert slope_difference(of) == 4.0


def test_weights_make_the_population() -> None:
    own, treated = np.array([0.2, 0.8]), np.array([True, False])
    assert weights(own, treated, "all").tolist() == [1, 1]
    assert weights(own, treated, "treated") == pytest.approx([0.2, 0.2])
    assert weights(own, treated, "overlap") == pytest.approx([0.16, 0.16])


def trial() -> pa.Table:
    """Ten thousand lives whose effect is larger where treatment is likelier."""
    draw = np.random.default_rng(3)
    n = 10_000
    likely = draw.random(n) < 0.5
    e = np.where(likely, 0.8, 0.2)
    rate = np.column_stack([np.full(n, 2.0), np.where(likely, 0.5, 2.0)])
    count = draw.poisson(rate).ravel()
    strategy = np.tile(["none", "dupilumab"], n)
    return pa.table(
        {
            "strategy": strategy,
            "propensity": np.column_stack([1 - e, e]).ravel(),
            "batch": np.repeat(np.arange(n) % 20, 2),
            "attacks": count,
            "years": np.ones(2 * n),
            "event": count > 0,
            "time": np.where(count > 0, 100.0, 365.0),
            "fev1_slope": np.zeros(2 * n),
        }
    )


def test_each_population_has_its_own_truth() -> None:
    # All: (0.5 + 2) / 4; treated: (0.8 * 0.5 + 0.2 * 2) / 2; overlap as all, e (1 - e) is equal.
    expected = {"all": 0.625, "treated": 0.4, "overlap": 0.625}
    for population, value in expected.items():
        found = truth(trial(), "rate_ratio", "dupilumab", "none", population)  # type: ignore[arg-type]
        assert found.lives == 10_000
        assert 0.001 < found.error < 0.02
        assert found.value == pytest.approx(value, abs=4 * found.error)


def test_an_unknown_question_is_refused() -> None:
    with pytest.raises(ConfigError, match="there is no estimand 'odds'"):
        truth(trial(), "odds", "dupilumab", "none")
    with pytest.raises(ConfigError, match="no arms 'omalizumab' and 'none'"):
        arms_of(trial(), "omalizumab", "none")
