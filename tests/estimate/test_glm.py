"""Federated models equal pooled ones, and pooled ones those of statsmodels and scikit-learn."""

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.linear_model import LogisticRegression

from pumasi.errors import EstimationError, FederationError, SuppressedError
from pumasi.estimate.glm import Glm, GlmResult, fit_glm
from pumasi.federation.queries import Family
from pumasi.federation.rows import Keys, Rows
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
    visits,
)

LOGISTIC = Glm(
    Family.BINOMIAL,
    ("age", "yrs_married", "children", "educ", "is_religious", "age:is_religious"),
    "affair",
    flags=("is_religious",),
)
USE = ("lncoins", "idp", "lpi", "physlm", "disea", "hlthp")
# What is asked of exact estimators: 1e-6. They are a thousand times better.
TOLERANCE = 1e-9


def difference(found: GlmResult, other: GlmResult) -> float:
    """max |federated - pooled| / max(1, |pooled|) of coefficients and standard errors."""
    pairs = (
        (found.coefficients, other.coefficients),
        (found.standard_errors, other.standard_errors),
    )
    return max(float(np.max(np.abs(a - b) / np.maximum(1, np.abs(b)))) for a, b in pairs)


def matrix(rows: Rows, model: Glm) -> np.ndarray:
    terms = [np.prod([rows.column(c) for c in term.split(":")], axis=0) for term in model.terms]
    return sm.add_constant(np.column_stack(terms))


SPLITS = (by_covariate("age"), by_outcome("affair"), by_covariate("is_religious"), lopsided)


@pytest.mark.parametrize("split", SPLITS, ids=("covariate", "outcome", "level", "lopsided"))
@pytest.mark.parametrize("masked", [True, False], ids=("masked", "clear"))
def test_logistic_of_hospitals_is_that_of_the_pool(split: Split, masked: bool) -> None:
    rows = fair()
    run = network(divided(rows, split(rows)), masked=masked)
    found = fit_glm(run, LOGISTIC)
    assert difference(found, fit_glm(pooled(rows), LOGISTIC)) < TOLERANCE
    assert found.gradient <= 1e-9
    assert found.exchanges == run.exchanges <= 10


def test_logistic_of_the_pool_is_that_of_statsmodels() -> None:
    rows = fair()
    found = fit_glm(pooled(rows), LOGISTIC)
    binomial = sm.families.Binomial()
    theirs = sm.GLM(rows.column("affair"), matrix(rows, LOGISTIC), binomial).fit(tol=1e-14)
    np.testing.assert_allclose(found.coefficients, theirs.params, rtol=1e-9)
    np.testing.assert_allclose(found.standard_errors, theirs.bse, rtol=1e-8)
    assert found.log_likelihood == pytest.approx(theirs.llf, abs=1e-6)
    assert found.persons == 6366


@pytest.mark.parametrize("family", [Family.POISSON, Family.GAUSSIAN])
def test_weights_offset_and_sandwich_are_those_of_statsmodels(family: Family) -> None:
    rows = visits()
    rng = np.random.default_rng(2)
    weight = rng.integers(0, 3, len(rows)).astype(float)
    more = {"weight": weight, "exposure": rng.normal(0, 0.2, len(rows))}
    rows = Rows(rows.person, rows.split_key, rows.hospital, {**rows.columns, **more})
    model = Glm(family, USE, "mdvis", weights="weight", offset="exposure", robust=True)
    run = network(divided(rows, rows.person % 4))
    found = fit_glm(run, model)
    # A weight of 2 is the row twice; their cluster variance does not know weights.
    again = np.repeat(np.arange(len(rows)), weight.astype(int))
    theirs = sm.GLM(
        rows.column("mdvis")[again],
        matrix(rows, model)[again],
        sm.families.Poisson() if family is Family.POISSON else sm.families.Gaussian(),
        offset=rows.column("exposure")[again],
    ).fit(
        tol=1e-14,
        cov_type="cluster",
        cov_kwds={"groups": rows.person[again], "use_correction": False},
    )
    np.testing.assert_allclose(found.coefficients, theirs.params, rtol=1e-8)
    np.testing.assert_allclose(found.standard_errors, theirs.bse, rtol=1e-8)
    assert difference(found, fit_glm(pooled(rows), model)) < TOLERANCE
    assert run.exchanges <= 10


def test_linear_is_that_of_statsmodels_with_its_variance() -> None:
    rows = visits()
    model = Glm(Family.GAUSSIAN, USE, "mdvis")
    found = fit_glm(network(divided(rows, rows.person % 4)), model)
    theirs = sm.OLS(rows.column("mdvis"), matrix(rows, model)).fit()
    np.testing.assert_allclose(found.coefficients, theirs.params, rtol=1e-9)
    np.testing.assert_allclose(found.standard_errors, theirs.bse, rtol=1e-9)
    assert found.residual_variance == pytest.approx(theirs.scale, rel=1e-10)
    assert found.log_likelihood == pytest.approx(theirs.llf, rel=1e-10)


def test_negative_binomial_is_that_of_statsmodels_within_sixteen_exchanges() -> None:
    rows = visits()
    model = Glm(Family.NEGATIVE_BINOMIAL, USE, "mdvis")
    run = network(divided(rows, by_covariate("lpi")(rows)))
    found = fit_glm(run, model)
    dispersion = np.exp(found.log_dispersion or 0.0)
    start = np.append(found.coefficients, dispersion)
    theirs = sm.NegativeBinomial(rows.column("mdvis"), matrix(rows, model)).fit(
        disp=0, method="newton", start_params=start, maxiter=200, tol=1e-14
    )
    np.testing.assert_allclose(found.coefficients, theirs.params[:-1], rtol=1e-7)
    assert dispersion == pytest.approx(theirs.params[-1], rel=1e-7)
    np.testing.assert_allclose(found.standard_errors, theirs.bse[:-1], rtol=1e-6)
    assert difference(found, fit_glm(pooled(rows), model)) < TOLERANCE
    assert run.exchanges <= 16


def test_ridge_is_that_of_scikit_learn_and_folds_choose_the_penalty() -> None:
    rows = fair()
    model = Glm(
        Family.BINOMIAL,
        ("age", "yrs_married", "children", "educ", "is_religious"),
        "affair",
        keys=Keys(first=0, last=69),
        penalties=(1.0, 10.0, 100.0, 1000.0),
        folds=5,
    )
    run = network(divided(rows, by_covariate("educ")(rows)))
    found = fit_glm(run, model)
    learning = rows.where(rows.split_key < 70)
    x = matrix(learning, model)[:, 1:]
    mean, spread = x.mean(axis=0), x.std(axis=0)
    held_out = {}
    for penalty in model.penalties:
        held_out[penalty] = 0.0
        for fold in range(5):
            out = learning.split_key % 5 == fold
            fitted = _sklearn(penalty, (x[~out] - mean) / spread, learning.column("affair")[~out])
            p = fitted.predict_proba((x[out] - mean) / spread)[:, 1]
            y = learning.column("affair")[out]
            held_out[penalty] += float(np.sum(y * np.log(p) + (1 - y) * np.log(1 - p)))
    assert found.held_out == pytest.approx(held_out, rel=1e-8)
    assert found.penalty == max(held_out, key=lambda penalty: held_out[penalty])
    best = _sklearn(found.penalty, (x - mean) / spread, learning.column("affair"))
    np.testing.assert_allclose(found.coefficients[1:], best.coef_[0] / spread, rtol=1e-8)
    assert run.exchanges <= 10


def _sklearn(penalty: float, x: np.ndarray, y: np.ndarray) -> LogisticRegression:
    model = LogisticRegression(C=1 / penalty, solver="newton-cholesky", tol=1e-12, max_iter=1000)
    return model.fit(x, y)


def test_collinear_terms_are_named() -> None:
    rows = fair()
    twice = {**rows.columns, "months_married": rows.column("yrs_married") * 12}
    rows = Rows(rows.person, rows.split_key, rows.person % 4, twice)
    model = Glm(Family.BINOMIAL, ("age", "yrs_married", "months_married"), "affair")
    with pytest.raises(EstimationError, match="yrs_married, months_married: one of these follows"):
        fit_glm(network(rows), model)


def test_separation_is_refused_and_a_ridge_penalty_is_not() -> None:
    y = (np.arange(400) % 3 == 0).astype(float)
    rows = rows_of({"y": y, "x": y + np.arange(400) % 7 / 1000, "z": np.arange(400) % 11})
    rows = divided(rows, rows.person % 4)
    with pytest.raises(EstimationError, match="x separates persons with the outcome"):
        fit_glm(network(rows), Glm(Family.BINOMIAL, ("x", "z"), "y"))
    found = fit_glm(network(rows), Glm(Family.BINOMIAL, ("x", "z"), "y", penalties=(1.0,)))
    assert np.isfinite(found.standard_errors).all()


def test_a_term_with_too_few_persons_is_dropped_at_all_hospitals_alike() -> None:
    rows = fair()
    rare = np.zeros(len(rows))
    rare[:12] = 1
    columns = {**rows.columns, "rare": rare, "affair": np.roll(rows.column("affair"), 3)}
    rows = Rows(rows.person, rows.split_key, rows.person % 4, columns)
    model = Glm(Family.BINOMIAL, ("age", "rare", "educ"), "affair", flags=("rare",))
    found = fit_glm(network(rows), model)
    assert found.dropped == ("rare",)
    assert found.terms == ("1", "age", "educ")
    without = fit_glm(network(rows), Glm(Family.BINOMIAL, ("age", "educ"), "affair"))
    assert difference(found, without) == 0


def test_a_constant_term_is_refused() -> None:
    rows = divided(fair(), fair().person % 4)
    rows = Rows(
        rows.person, rows.split_key, rows.hospital, {**rows.columns, "one": rows.person * 0.0 + 3}
    )
    with pytest.raises(EstimationError, match="one: the same value in all rows"):
        fit_glm(network(rows), Glm(Family.BINOMIAL, ("age", "one"), "affair"))


def test_too_few_cases_in_the_sum_are_suppressed_without_a_number() -> None:
    y = np.zeros(300)
    y[:7] = 1
    rows = divided(rows_of({"y": y, "x": np.arange(300) % 13}), np.arange(300) % 4)
    with pytest.raises(
        SuppressedError, match="fewer persons than may be shown in outcome"
    ) as error:
        fit_glm(network(rows), Glm(Family.BINOMIAL, ("x",), "y"))
    assert "7" not in str(error.value)


def test_a_column_that_a_hospital_lacks_is_refused_with_its_name() -> None:
    rows = divided(fair(), fair().person % 4)
    with pytest.raises(FederationError, match="do not allow the answer: parameters_do_not_fit"):
        fit_glm(network(rows), Glm(Family.BINOMIAL, ("age", "income"), "affair"))


def test_all_weights_zero_is_refused() -> None:
    rows = divided(fair(), fair().person % 4)
    rows = Rows(
        rows.person, rows.split_key, rows.hospital, {**rows.columns, "w": rows.person * 0.0}
    )
    with pytest.raises(SuppressedError, match="fewer persons than may be shown in persons"):
        fit_glm(network(rows), Glm(Family.BINOMIAL, ("age",), "affair", weights="w"))


@pytest.mark.parametrize("family", [Family.BINOMIAL, Family.POISSON])
def test_a_rare_term_without_any_event_has_no_coefficient(family: Family) -> None:
    """Its standard deviations are small: what tells is that nothing of the information is left."""
    rng = np.random.default_rng(1)
    rare, x = rng.random(6000) < 0.02, rng.normal(size=6000)
    y = (rng.random(6000) < 0.3) & ~rare
    rows = divided(rows_of({"x": x, "rare": rare, "y": y}), np.arange(6000) % 4)
    with pytest.raises(EstimationError, match="rare: the likelihood rises without end"):
        fit_glm(network(rows), Glm(family, ("x", "rare"), "y"))
    found = fit_glm(network(rows), Glm(family, ("x", "rare"), "y", penalties=(1.0,)))
    assert found.coefficients[2] < -1


@pytest.mark.parametrize("unit", [1.0, 1e-3, 1e3, 365.25])
def test_person_time_may_have_any_unit(unit: float) -> None:
    """Authority: statsmodels' Poisson model with the same offset, to 1e-6."""
    rng = np.random.default_rng(2)
    x, years = rng.normal(size=4000), rng.uniform(0.2, 2, 4000)
    y = rng.poisson(0.3 * years * np.exp(0.2 * x))
    rows = rows_of({"x": x, "y": y, "time": np.log(years * unit)})
    found = fit_glm(
        network(divided(rows, rows.person % 4)), Glm(Family.POISSON, ("x",), "y", offset="time")
    )
    model = sm.GLM(y, sm.add_constant(x), sm.families.Poisson(), offset=np.log(years * unit)).fit()
    assert found.coefficients == pytest.approx(model.params, abs=1e-6)
    assert found.standard_errors == pytest.approx(model.bse, abs=1e-6)
    assert found.exchanges <= 8


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e4])
def test_a_linear_outcome_may_have_any_unit(unit: float) -> None:
    """Authority: statsmodels' ordinary least squares, to 1e-6 of the unit."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=40_000)
    y = (2 + 0.3 * x + rng.normal(size=40_000)) * unit
    rows = rows_of({"x": x, "y": y})
    model = Glm(Family.GAUSSIAN, ("x",), "y", robust=True, magnitude=max(1024, unit))
    found = fit_glm(network(divided(rows, rows.person % 4)), model)
    exact = sm.OLS(y, sm.add_constant(x)).fit(cov_type="HC0")
    assert found.coefficients / unit == pytest.approx(exact.params / unit, abs=1e-6)
    assert found.standard_errors / unit == pytest.approx(exact.bse / unit, abs=1e-6)


def test_a_linear_outcome_that_does_not_vary_is_refused() -> None:
    rows = rows_of({"x": np.arange(400) % 7, "y": np.full(400, 3.0)})
    with pytest.raises(EstimationError, match="y is the same in all rows"):
        fit_glm(network(divided(rows, rows.person % 4)), Glm(Family.GAUSSIAN, ("x",), "y"))
