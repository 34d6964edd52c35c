"""Combined effects are those of statsmodels; profiles those of stratified models."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import norm, t
from statsmodels.stats.meta_analysis import combine_effects

from pumasi.errors import EstimationError, SuppressedError
from pumasi.estimate.meta import (
    Between,
    Effect,
    combine,
    combine_profiles,
    one_effect,
    varying_effects,
)
from pumasi.federation.queries import Family
from pumasi.federation.rows import Floats, Rows
from tests.estimate.hospitals import divided, network, pooled, rows_of

# Log-odds ratios of eight hospitals, made up; they vary more than chance has it.
Y = np.array([-0.9, -0.2, -0.5, 0.1, -1.6, -0.3, -0.7, 0.4])
SE = np.array([0.30, 0.15, 0.25, 0.40, 0.50, 0.10, 0.35, 0.30])
GRID = tuple(np.linspace(-3, 3, 121).tolist())
EFFECT = Effect(Family.BINOMIAL, "treated", "y", ("age",), grid=GRID)


def trial(n: int = 2000, hospitals: int = 4, base: float = -2.0) -> Rows:
    rng = np.random.default_rng(6)
    hospital = np.arange(n) % hospitals
    treated, age = rng.random(n) < 0.4, rng.normal(size=n)
    y = rng.random(n) < expit(base + 0.3 * hospital - 0.6 * treated + 0.4 * age)
    return divided(rows_of({"treated": treated, "age": age, "y": y}), hospital)


@pytest.mark.parametrize(
    ("between", "theirs"), [(Between.DERSIMONIAN_LAIRD, "dl"), (Between.PAULE_MANDEL, "pm")]
)
def test_random_effects_are_those_of_statsmodels(between: Between, theirs: str) -> None:
    more = {"atol": 1e-12, "maxiter": 500} if theirs == "pm" else {}
    other = combine_effects(Y, SE**2, method_re=theirs, use_t=False, **more)
    found = combine(Y, SE, between)
    assert found.variance_between == pytest.approx(other.tau2, rel=1e-9)
    assert found.estimate == pytest.approx(other.mean_effect_re, rel=1e-10)
    assert found.standard_error == pytest.approx(other.sd_eff_w_re, rel=1e-10)
    knapp = combine(Y, SE, between, hartung_knapp=True)
    assert knapp.standard_error == pytest.approx(other.sd_eff_w_re_hksj, rel=1e-9)
    half = t.ppf(0.975, len(Y) - 1) * knapp.standard_error
    assert (knapp.lower, knapp.upper) == pytest.approx(
        (found.estimate - half, found.estimate + half)
    )


def test_a_fixed_effect_is_that_of_statsmodels() -> None:
    other = combine_effects(Y, SE**2, method_re="dl")
    found = combine(Y, SE, Between.NONE)
    assert found.estimate == pytest.approx(other.mean_effect_fe, rel=1e-12)
    assert found.standard_error == pytest.approx(other.sd_eff_w_fe, rel=1e-12)
    assert (found.lower, found.upper) == pytest.approx(other.conf_int()[0], rel=1e-9)
    assert found.heterogeneity == pytest.approx(other.q, rel=1e-10)
    assert found.heterogeneity_p == pytest.approx(other.test_homogeneity().pvalue, rel=1e-9)
    assert found.predicted is None


@given(seed=st.integers(0, 10_000), k=st.integers(2, 15), spread=st.floats(0, 3))
@settings(max_examples=60, deadline=None)
def test_reml_is_the_maximum_of_the_restricted_likelihood(seed: int, k: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    se = rng.uniform(0.1, 1, k)
    y = rng.normal(0, np.hypot(se, spread))
    found = combine(y, se, Between.REML)

    def restricted(of: float) -> float:
        v = se**2 + of
        x = np.ones((k, 1))
        mean = (y / v).sum() / (1 / v).sum()
        residual = y - mean
        inside = np.linalg.slogdet(x.T @ np.diag(1 / v) @ x)[1]
        return float(-(np.log(v).sum() + inside + (residual**2 / v).sum()) / 2)

    at = restricted(found.variance_between)
    for of in np.append(0.0, np.geomspace(1e-4, 100, 300)):
        assert restricted(of) <= at + 1e-9


def test_equal_effects_have_no_variance_and_knapps_interval_is_not_shorter_if_asked() -> None:
    y, se = np.array([0.50, 0.51, 0.49]), np.array([0.2, 0.3, 0.25])
    for between in Between:
        found = combine(y, se, between)
        assert found.variance_between == 0
        assert found.inconsistency == 0
    short = combine(y, se, hartung_knapp=True)
    long = combine(y, se, hartung_knapp=True, no_shorter=True)
    assert (
        short.standard_error < long.standard_error == pytest.approx(combine(y, se).standard_error)
    )


def test_one_estimate_and_one_that_is_not_finite_are_refused() -> None:
    with pytest.raises(EstimationError, match="needs two hospitals"):
        combine(Y[:1], SE[:1])
    with pytest.raises(EstimationError, match="no finite estimate"):
        combine(np.array([0.1, np.inf]), SE[:2])


def stratified(rows: Rows, offset: Floats | None = None) -> "sm.GLM":
    """One effect, with an intercept and a coefficient of age at every hospital."""
    own = (rows.hospital[:, None] == np.unique(rows.hospital)).astype(float)
    x = np.column_stack([own, own * rows.column("age")[:, None]])
    if offset is None:
        x = np.column_stack([rows.column("treated"), x])
    return sm.GLM(rows.column("y"), x, sm.families.Binomial(), offset=offset)


@pytest.mark.parametrize("masked", [True, False], ids=("masked", "clear"))
def test_one_effect_is_that_of_a_stratified_model(masked: bool) -> None:
    rows = trial()
    run = network(rows, masked=masked)
    found = one_effect(run, EFFECT)
    same = one_effect(pooled(rows), EFFECT)
    assert found.estimate == pytest.approx(same.estimate, abs=1e-9)
    assert (found.lower, found.upper) == pytest.approx((same.lower, same.upper), abs=1e-9)
    assert run.exchanges == found.exchanges == 1
    theirs = stratified(rows).fit(tol=1e-12)
    # A cubic between points 0.05 apart.
    assert found.estimate == pytest.approx(theirs.params[0], abs=1e-5)
    for end in (found.lower, found.upper):
        fit = stratified(rows, end * rows.column("treated")).fit(tol=1e-12)
        assert 2 * (theirs.llf - fit.llf) == pytest.approx(norm.ppf(0.975) ** 2, abs=1e-3)


def test_a_hospital_without_outcomes_or_persons_adds_its_profile() -> None:
    rows = trial()
    lopsided = np.where(np.arange(len(rows)) < 1000, 0, 1)
    lopsided[[5, 50, 100]] = 2
    rows = divided(rows, lopsided)
    nobody = rows.where((rows.hospital != 2) | (rows.column("y") == 0))
    found = one_effect(network(nobody), EFFECT)
    assert found.estimate == pytest.approx(one_effect(pooled(nobody), EFFECT).estimate, abs=1e-9)
    rest = nobody.where(nobody.hospital != 2)
    assert found.estimate == pytest.approx(stratified(rest).fit(tol=1e-12).params[0], abs=1e-4)


def test_effects_that_vary_are_those_of_a_normal_model_where_profiles_are_normal() -> None:
    grid = np.linspace(-8, 8, 161)
    profiles = norm.logpdf(grid[None, :], Y[:, None], SE[:, None])
    found = combine_profiles(grid, profiles)

    def negative(at: Floats) -> float:
        return float(-norm.logpdf(Y, at[0], np.sqrt(SE**2 + at[1] ** 2)).sum())

    theirs = minimize(negative, [0.0, 0.3], method="Nelder-Mead", options={"xatol": 1e-9})
    assert found.estimate == pytest.approx(theirs.x[0], abs=1e-4)
    assert found.variance_between == pytest.approx(theirs.x[1] ** 2, rel=1e-3)
    assert found.lower < found.estimate < found.upper
    one = combine_profiles(grid, np.repeat(profiles[:1], 3, axis=0))
    assert one.variance_between == 0
    # The further from the estimate, the likelier is some variance: the interval is no shorter.
    half = norm.ppf(0.975) * SE[0] / np.sqrt(3)
    assert half <= one.upper - one.estimate + 1e-6 < 1.03 * half


def test_each_hospitals_profile_must_reach_the_minimum() -> None:
    rows = trial()
    run = network(rows)
    found = varying_effects(run, EFFECT)
    assert run.exchanges == 1
    assert found.lower < one_effect(network(rows), EFFECT).estimate < found.upper
    few = rows.where((rows.hospital != 3) | (np.arange(len(rows)) < 60))
    with pytest.raises(EstimationError, match=r"h3 \(too_few_persons\) may not tell its own"):
        varying_effects(network(few), EFFECT)
    assert np.isfinite(one_effect(network(few), EFFECT).upper)


def test_a_grid_without_the_maximum_and_few_outcomes_are_refused_without_a_number() -> None:
    rows = trial()
    narrow = Effect(Family.BINOMIAL, "treated", "y", grid=(1.0, 1.1, 1.2, 1.3))
    with pytest.raises(EstimationError, match="widen it"):
        one_effect(network(rows), narrow)
    with pytest.raises(EstimationError, match="two hospitals"):
        combine_profiles(np.asarray(GRID), np.zeros((1, len(GRID))))
    n = np.arange(400)
    rows = divided(rows_of({"treated": n % 2, "age": n % 50, "y": n < 7}), n % 4)
    with pytest.raises(SuppressedError, match="in cells") as error:
        one_effect(network(rows), EFFECT)
    assert "7" not in str(error.value)


def test_poisson_profiles_are_those_of_statsmodels() -> None:
    rng = np.random.default_rng(9)
    n = 1200
    treated, age, shift = rng.random(n) < 0.5, rng.normal(size=n), rng.normal(0, 0.2, n)
    y = rng.poisson(np.exp(-1 + 0.5 * treated + 0.2 * age + shift))
    columns = {"treated": treated, "age": age, "y": y, "shift": shift}
    rows = divided(rows_of(columns), np.arange(n) // 3 % 4)
    found = one_effect(
        network(rows), Effect(Family.POISSON, "treated", "y", ("age",), offset="shift", grid=GRID)
    )
    own = (rows.hospital[:, None] == np.arange(4)).astype(float)
    x = np.column_stack([treated, own, own * age[:, None]])
    theirs = sm.GLM(y, x, sm.families.Poisson(), offset=shift).fit(tol=1e-12)
    assert found.estimate == pytest.approx(theirs.params[0], abs=1e-5)
