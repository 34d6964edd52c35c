"""Cox regression: federated equals pooled, and pooled is that of lifelines and statsmodels."""

import numpy as np
import pytest
from lifelines import CoxPHFitter, CoxTimeVaryingFitter
from statsmodels.duration.hazard_regression import PHReg

from pumasi.disclosure.airlock import Refusal
from pumasi.errors import EstimationError, FederationError, SuppressedError
from pumasi.estimate.cox import Cox, CoxResult, fit_cox
from pumasi.federation.cells import Limits
from pumasi.federation.messages import AIMED
from pumasi.federation.queries import CoxStep, FollowUp, Ties
from pumasi.federation.rows import Design, Rows
from tests.estimate.hospitals import (
    Split,
    by_covariate,
    by_outcome,
    divided,
    lopsided,
    network,
    pooled,
    rows_of,
)
from tests.estimate.survival_data import entering_late, gbsg2, heart, rossi, table, with_columns

# What is asked of exact estimators: 1e-6. Standardised sums are a thousand times better.
TOLERANCE = 1e-9
RISKS = ("age", "tsize", "pnodes", "progrec", "hormones", "grade_three", "age:hormones")
CANCER = Cox(FollowUp(stop="time", event="cens"), RISKS, flags=("hormones", "grade_three"))
ARREST = Cox(FollowUp(stop="week", event="arrest"), ("fin", "age", "wexp", "mar", "prio"))
HEART = Cox(
    FollowUp(start="start", stop="stop", event="event"), ("age", "year", "surgery", "transplant")
)


def difference(found: CoxResult, other: CoxResult) -> float:
    """max |federated - pooled| / max(1, |pooled|) of coefficients and standard errors."""
    pairs = (
        (found.coefficients, other.coefficients),
        (found.standard_errors, other.standard_errors),
        (np.array([found.log_likelihood]), np.array([other.log_likelihood])),
    )
    return max(float(np.max(np.abs(a - b) / np.maximum(1, np.abs(b)))) for a, b in pairs)


def hospital_without_events(rows: Rows) -> np.ndarray:
    """Hospital 3 has a third of those without the event and nobody else."""
    third = rows.person % 3 == 0
    return np.where(third & (rows.column("cens") == 0), 3, rows.person % 2)


def lacking_a_level(rows: Rows) -> np.ndarray:
    """Only hospital 3 gave hormones."""
    hormones = rows.column("hormones") == 1
    return np.where(hormones | (rows.person % 4 == 0), 3, rows.person % 3)


SPLITS = {
    "covariate": by_covariate("age"),
    "outcome": by_outcome("cens"),
    "level": lacking_a_level,
    "lopsided": lopsided,
    "no events": hospital_without_events,
}


@pytest.mark.parametrize("ties", Ties)
@pytest.mark.parametrize("masked", [True, False], ids=("masked", "clear"))
@pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS)
def test_of_hospitals_is_that_of_the_pool(split: Split, masked: bool, ties: Ties) -> None:
    rows = entering_late(gbsg2(), "time")
    rows = divided(rows, split(rows))
    follow_up = FollowUp(start="entry", stop="time", event="cens")
    model = Cox(follow_up, RISKS, strata=("postmenopausal",), ties=ties, robust=True)
    run = network(rows, masked=masked)
    found = fit_cox(run, model)
    assert difference(found, fit_cox(pooled(rows), model)) < TOLERANCE
    assert found.gradient <= 1e-9
    assert found.exchanges == run.exchanges <= 10


@pytest.mark.parametrize("ties", Ties)
@pytest.mark.parametrize("entry", [True, False], ids=("late entry", "no entry"))
def test_of_the_pool_is_that_of_statsmodels(ties: Ties, entry: bool) -> None:
    """Authority: statsmodels PHReg with strata, entry and offset, to 1e-8.

    It has who enters at a time at risk at that time; weeks are whole, so half a week says not.
    """
    rows = entering_late(rossi(), "week")
    rows = with_columns(rows, known=np.random.default_rng(4).normal(0, 0.3, len(rows)))
    rows = divided(rows, by_covariate("age")(rows))
    start = "entry" if entry else None
    follow_up = FollowUp(start=start, stop="week", event="arrest")
    model = Cox(follow_up, ARREST.terms, ties=ties, strata=("race",), offset="known")
    found = fit_cox(pooled(rows), model)
    data = table(rows)
    theirs = PHReg(
        data["week"],
        data[list(model.terms)],
        status=data["arrest"],
        entry=data["entry"] + 0.5 if entry else None,
        strata=data["hospital"] * 2 + data["race"],
        offset=data["known"],
        ties=ties.value,
    ).fit(tol=1e-13)
    np.testing.assert_allclose(found.coefficients, theirs.params, atol=1e-8)
    np.testing.assert_allclose(found.standard_errors, theirs.bse, atol=1e-8)
    assert found.log_likelihood == pytest.approx(theirs.llf, abs=1e-7)
    assert (found.persons, found.events) == (432, 114)


def test_sandwich_of_breslows_ties_is_that_of_statsmodels() -> None:
    """Authority: statsmodels PHReg with groups (Lin and Wei), two rows a group, to 1e-8."""
    rows = rossi()
    rows = Rows(rows.person // 2, rows.split_key, rows.person // 2 % 4, rows.columns)
    model = Cox(ARREST.follow_up, ARREST.terms, ties=Ties.BRESLOW, robust=True)
    found = fit_cox(network(rows), model)
    data = table(rows)
    theirs = PHReg(
        data["week"], data[list(model.terms)], data["arrest"], strata=data["hospital"]
    ).fit(tol=1e-13, groups=data["person"].to_numpy())
    np.testing.assert_allclose(found.coefficients, theirs.params, atol=1e-8)
    np.testing.assert_allclose(found.standard_errors, theirs.bse, atol=1e-8)


def test_time_varying_covariates_are_those_of_lifelines() -> None:
    """Authority: lifelines CoxTimeVaryingFitter with weights (Efron), to 1e-7."""
    rows = heart()
    weight = np.random.default_rng(6).uniform(0.5, 2, len(rows))[rows.person]
    rows = with_columns(divided(rows, rows.person % 4), weight=weight)
    model = Cox(HEART.follow_up, HEART.terms, weights="weight")
    run = network(rows)
    found = fit_cox(run, model)
    columns = ["person", "start", "stop", "event", "weight", "hospital", *model.terms]
    theirs = CoxTimeVaryingFitter().fit(
        table(rows)[columns],
        id_col="person",
        start_col="start",
        stop_col="stop",
        event_col="event",
        weights_col="weight",
        strata="hospital",
        fit_options={"precision": 1e-12},
    )
    np.testing.assert_allclose(found.coefficients, theirs.params_, atol=1e-7)
    np.testing.assert_allclose(found.standard_errors, theirs.standard_errors_, atol=1e-7)
    assert found.persons == 103
    assert run.exchanges <= 10


def lifelines_fit(rows: Rows, weights: np.ndarray) -> np.ndarray:
    data = table(rows)[["week", "arrest", "hospital", *ARREST.terms]].assign(weight=weights)
    fitter = CoxPHFitter().fit(
        data, "week", "arrest", weights_col="weight", strata=["hospital"], robust=True,
        fit_options={"precision": 1e-13},
    )  # fmt: skip
    return np.asarray(fitter.params_)


@pytest.mark.filterwarnings("ignore")
def test_weights_and_residuals_of_efrons_ties_are_those_of_lifelines() -> None:
    """Authority: lifelines CoxPHFitter with weights and strata, to 1e-7.

    What a person adds to the sandwich of tied times it has not: it is what the coefficients change
    by when its weight does (the infinitesimal jackknife), of lifelines' own coefficients, to 1e-5.
    """
    rows = rossi()
    weight = np.random.default_rng(7).uniform(0.5, 2, len(rows))
    rows = with_columns(divided(rows, rows.person % 4), weight=weight)
    model = Cox(ARREST.follow_up, ARREST.terms, weights="weight", robust=True)
    found = fit_cox(pooled(rows), model)
    np.testing.assert_allclose(found.coefficients, lifelines_fit(rows, weight), atol=1e-7)
    plain = fit_cox(pooled(rows), Cox(model.follow_up, model.terms, weights="weight"))
    query = CoxStep(
        follow_up=model.follow_up,
        design=Design(terms=model.terms),
        coefficients=tuple(found.coefficients),
        weights="weight",
    )
    dfbeta = query.likelihood(rows).residuals() @ plain.covariance
    np.testing.assert_allclose(dfbeta.T @ dfbeta, found.covariance, rtol=1e-8)
    tied = np.flatnonzero((rows.column("arrest") == 1) & (rows.column("week") == 20))
    for person in (tied[0], tied[1], 3):
        step = 1e-3 * (np.arange(len(rows)) == person)
        changed = lifelines_fit(rows, weight + step) - lifelines_fit(rows, weight - step)
        np.testing.assert_allclose(changed / 2e-3 * weight[person], dfbeta[person], atol=1e-5)


def test_a_weight_of_zero_is_as_if_the_row_were_not_there() -> None:
    rows = rossi()
    keep = np.random.default_rng(8).random(len(rows)) < 0.8
    rows = with_columns(divided(rows, rows.person % 4), weight=keep)
    model = Cox(ARREST.follow_up, ARREST.terms, weights="weight", robust=True)
    without = Cox(ARREST.follow_up, ARREST.terms, robust=True)
    found, other = fit_cox(network(rows), model), fit_cox(network(rows.where(keep)), without)
    assert difference(found, other) < TOLERANCE
    assert found.persons == other.persons == keep.sum()
    nobody = with_columns(rows, weight=keep & (rows.hospital != 2))
    assert fit_cox(network(nobody), model).persons == (keep & (rows.hospital != 2)).sum()


def test_ridge_is_that_of_lifelines() -> None:
    """Authority: lifelines CoxPHFitter, to 1e-7; its penalty is of columns divided by their spread
    with n - 1, and of the mean log-likelihood.
    """
    rows = divided(rossi(), rossi().person % 4)
    n = len(rows)
    found = fit_cox(network(rows), Cox(ARREST.follow_up, ARREST.terms, penalty=43.2))
    theirs = CoxPHFitter(penalizer=43.2 * (n - 1) / n**2).fit(
        table(rows)[["week", "arrest", "hospital", *ARREST.terms]],
        "week", "arrest", strata=["hospital"], fit_options={"precision": 1e-13},
    )  # fmt: skip
    np.testing.assert_allclose(found.coefficients, theirs.params_, atol=1e-7)
    np.testing.assert_allclose(found.standard_errors, theirs.standard_errors_, atol=1e-7)


def test_late_entry_is_that_of_lifelines() -> None:
    """Authority: lifelines CoxPHFitter with entry and strata (Efron), to 1e-7."""
    rows = entering_late(rossi(), "week")
    rows = divided(rows, by_covariate("age")(rows))
    follow_up = FollowUp(start="entry", stop="week", event="arrest")
    found = fit_cox(pooled(rows), Cox(follow_up, ARREST.terms))
    theirs = CoxPHFitter().fit(
        table(rows)[["week", "arrest", "entry", "hospital", *ARREST.terms]],
        "week", "arrest", strata=["hospital"], entry_col="entry",
        fit_options={"precision": 1e-13},
    )  # fmt: skip
    np.testing.assert_allclose(found.coefficients, theirs.params_, atol=1e-7)
    np.testing.assert_allclose(found.standard_errors, theirs.standard_errors_, atol=1e-7)


def test_persons_in_several_rows_are_clustered_whatever_the_rows() -> None:
    rows = rossi()
    half = np.floor(rows.column("week") / 2)
    whole = np.flatnonzero(half > 0)
    again = np.concatenate([np.arange(len(rows)), whole])
    columns = {name: values[again] for name, values in rows.columns.items()}
    columns["start"] = np.concatenate([half, np.zeros(len(whole))])
    columns["week"][len(rows) :] = half[whole]
    columns["arrest"][len(rows) :] = 0
    cut = Rows(rows.person[again], rows.split_key[again], rows.person[again] % 4, columns)
    follow_up = FollowUp(start="start", stop="week", event="arrest")
    found = fit_cox(network(cut), Cox(follow_up, ARREST.terms, robust=True))
    model = Cox(ARREST.follow_up, ARREST.terms, robust=True)
    assert difference(found, fit_cox(network(divided(rows, rows.person % 4)), model)) < TOLERANCE


def test_who_enters_late_with_a_huge_risk_costs_no_digit_of_those_before() -> None:
    """Authority: the same rows without them; sums over the early risk sets must not notice."""
    rows = rossi()
    n, late = len(rows), 200
    columns = {name: np.append(values, np.zeros(late)) for name, values in rows.columns.items()}
    columns["start"] = np.append(np.zeros(n), np.full(late, 100.0))
    columns["week"][n:] = 101.0
    columns["known"] = np.append(np.zeros(n), np.full(late, 30.0))
    more = rows_of(columns)
    step = CoxStep(
        follow_up=FollowUp(start="start", stop="week", event="arrest"),
        design=Design(terms=ARREST.terms),
        coefficients=(-0.3, -0.05, -0.2, -0.4, 0.09),
        offset="known",
    )
    alone = step.model_copy(update={"offset": None})
    found, other = step.compute(more), alone.compute(more.where(np.arange(n + late) < n))
    np.testing.assert_allclose(found["score"], other["score"], rtol=1e-9)


@pytest.mark.parametrize("ties", Ties)
def test_information_is_the_derivative_of_the_score(ties: Ties) -> None:
    """Authority: central differences of score and log-likelihood, to 1e-5."""
    rows = entering_late(rossi(), "week")
    follow_up = FollowUp(start="entry", stop="week", event="arrest")
    design = Design(terms=("fin", "age", "prio"), spread=(1.0, 6.0, 3.0))
    at, step = np.array([-0.3, -0.2, 0.4]), 1e-5

    def there(b: np.ndarray) -> CoxStep:
        return CoxStep(follow_up=follow_up, design=design, coefficients=tuple(b), ties=ties)

    found = there(at).likelihood(rows)
    for j in range(3):
        unit = step * (np.arange(3) == j)
        up, down = (there(at + d).likelihood(rows) for d in (unit, -unit))
        slope = (up.log_likelihood - down.log_likelihood) / (2 * step)
        assert found.score()[j] == pytest.approx(slope, abs=1e-5)
        bend = (down.score() - up.score()) / (2 * step)
        np.testing.assert_allclose(found.information()[j], bend, atol=1e-5)
    np.testing.assert_allclose(found.residuals().sum(axis=0), found.score(), atol=1e-10)


def test_collinear_terms_are_named() -> None:
    rows = rossi()
    rows = with_columns(divided(rows, rows.person % 4), months=rows.column("age") * 12)
    with pytest.raises(EstimationError, match="age, months: one of these follows"):
        fit_cox(network(rows), Cox(ARREST.follow_up, ("fin", "age", "months", "prio")))


def test_a_term_that_differs_only_between_hospitals_is_named() -> None:
    rows = divided(gbsg2(), by_covariate("hormones")(gbsg2()))
    with pytest.raises(EstimationError, match=r"^hormones: .* is constant within every stratum"):
        fit_cox(network(rows), Cox(CANCER.follow_up, ("age", "hormones", "pnodes")))


def test_a_likelihood_that_rises_without_end_is_refused_and_a_ridge_penalty_is_not() -> None:
    rows = rossi()
    only = (rows.column("arrest") == 0) & (rows.person % 5 == 0)
    rows = with_columns(divided(rows, rows.person % 4), only=only)
    with pytest.raises(EstimationError, match="only: the likelihood rises without end") as error:
        fit_cox(network(rows), Cox(ARREST.follow_up, ("age", "only", "prio")))
    assert not any(character.isdigit() for character in str(error.value))
    found = fit_cox(network(rows), Cox(ARREST.follow_up, ("age", "only", "prio"), penalty=1.0))
    assert np.isfinite(found.standard_errors).all()
    flagged = Cox(ARREST.follow_up, ("age", "only", "prio"), flags=("only",))
    assert fit_cox(network(rows), flagged).dropped == ("only",)


def test_without_any_term_that_may_be_used_nothing_is_estimated() -> None:
    rows = with_columns(divided(rossi(), rossi().person % 4), rare=rossi().person < 5)
    with pytest.raises(EstimationError, match="arrest: no term is left"):
        fit_cox(network(rows), Cox(ARREST.follow_up, ("rare",), flags=("rare",)))


def test_no_event_and_few_events_are_refused_without_a_number() -> None:
    rows = divided(rossi(), rossi().person % 4)
    for events in (0, 7):
        few = with_columns(rows, arrest=rows.person < events)
        with pytest.raises(SuppressedError, match="fewer persons than may be shown in events"):
            fit_cox(network(few), ARREST)
    none = with_columns(rows, arrest=rows.person < 0)
    with pytest.raises(EstimationError, match="arrest: no event of a row with a weight"):
        fit_cox(network(none, limits=Limits(outcome=0)), ARREST)


def test_an_event_for_everybody_is_suppressed_too() -> None:
    rows = divided(rossi(), rossi().person % 4)
    all_of_them = with_columns(rows, arrest=rows.person >= 3)
    with pytest.raises(SuppressedError, match="in others; suppressed is not zero"):
        fit_cox(network(all_of_them), ARREST)


def test_rows_that_end_before_they_begin_are_refused() -> None:
    rows = divided(rossi(), rossi().person % 4)
    rows = with_columns(rows, start=rows.column("week") + (rows.person == 5))
    follow_up = FollowUp(start="start", stop="week", event="arrest")
    with pytest.raises(FederationError, match="do not allow the answer: parameters_do_not_fit"):
        fit_cox(network(rows), Cox(follow_up, ARREST.terms))


def test_a_first_step_that_goes_too_far_is_halved() -> None:
    """At the oldest quarter few persons would make most of the sums after a whole first step."""
    rows = divided(gbsg2(), by_covariate("age")(gbsg2()))
    run = network(rows)
    step = fit_cox(run, CANCER)
    assert step.gradient <= 1e-9
    assert run.exchanges <= 10
    assert difference(step, fit_cox(pooled(rows), CANCER)) < TOLERANCE


def test_coefficients_that_are_aimed_at_few_persons_are_refused() -> None:
    rows = divided(gbsg2(), gbsg2().person % 4)
    aimed = CoxStep(
        follow_up=CANCER.follow_up, design=Design(terms=("progrec",)), coefficients=(0.5,)
    )
    with pytest.raises(FederationError, match="do not allow the answer: aimed_at_few_persons"):
        network(rows).total([aimed])
    assert AIMED == Refusal.AIMED
    beyond = aimed.model_copy(update={"coefficients": (1e6,)})
    with pytest.raises(FederationError, match="do not allow the answer"):
        network(rows).total([beyond])


def test_every_hospital_answers_in_one_size_also_without_rows() -> None:
    rows = divided(gbsg2(), gbsg2().person % 3)
    query = CoxStep(follow_up=CANCER.follow_up, design=Design(terms=("age",)), coefficients=(0.0,))
    nobody = query.compute(rows.where(rows.hospital == 3))
    assert {name: np.shape(part) for name, part in nobody.items()} == {
        part.name: part.shape for part in query.parts()
    }
    assert all(np.all(part == 0) for part in nobody.values())
