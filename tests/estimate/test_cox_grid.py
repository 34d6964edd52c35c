"""Cox regression on a shared grid: federated equals pooled, and pooled is unstratified Cox."""

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxTimeVaryingFitter
from statsmodels.duration.hazard_regression import PHReg

from pumasi.errors import FederationError, SuppressedError
from pumasi.estimate.cox import Cox, CoxResult, fit_cox
from pumasi.estimate.cox_grid import CoxGrid, fit_cox_grid
from pumasi.federation.cells import LIMITS, Limits
from pumasi.federation.queries import CoxGridStep, EventGrid, FollowUp, Grid, Ties
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
from tests.estimate.survival_data import (
    entering_late,
    gbsg2,
    heart,
    rossi,
    rounded,
    table,
    with_columns,
)

TOLERANCE = 1e-9
RISKS = ("age", "tsize", "pnodes", "progrec", "hormones", "grade_three")
YEAR = 365.25
QUARTERS = tuple(np.arange(0, 25) * YEAR / 4)
AT_RISK = FollowUp(start="entry", stop="time", event="event")


def cancer() -> Rows:
    rows = entering_late(gbsg2(), "time")
    return with_columns(rows, event=rows.column("cens"))


def difference(found: CoxResult, other: CoxResult) -> float:
    """max |federated - pooled| / max(1, |pooled|) of coefficients and standard errors."""
    pairs = (
        (found.coefficients, other.coefficients),
        (found.standard_errors, other.standard_errors),
        (np.array([found.log_likelihood]), np.array([other.log_likelihood])),
    )
    return max(float(np.max(np.abs(a - b) / np.maximum(1, np.abs(b)))) for a, b in pairs)


def hospital_without_events(rows: Rows) -> np.ndarray:
    third = rows.person % 3 == 0
    return np.where(third & (rows.column("event") == 0), 3, rows.person % 2)


SPLITS = {
    "covariate": by_covariate("age"),
    "outcome": by_outcome("event"),
    "level": by_covariate("hormones"),
    "lopsided": lopsided,
    "no events": hospital_without_events,
}


@pytest.mark.parametrize("ties", Ties)
@pytest.mark.parametrize("masked", [True, False], ids=("masked", "clear"))
@pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS)
def test_of_hospitals_is_that_of_the_pool(split: Split, masked: bool, ties: Ties) -> None:
    rows = cancer()
    rows = divided(rows, split(rows))
    model = CoxGrid(AT_RISK, QUARTERS, RISKS, ties=ties, robust=True)
    run = network(rows, masked=masked)
    found = fit_cox_grid(run, model)
    other = fit_cox_grid(pooled(rows), model)
    assert difference(found, other) < TOLERANCE
    assert found.edges == other.edges
    assert found.gradient <= 1e-9
    assert found.exchanges == run.exchanges <= 10


@pytest.mark.parametrize("ties", Ties)
def test_is_that_of_statsmodels_on_rounded_times(ties: Ties) -> None:
    """Authority: statsmodels PHReg with entry and offset, no strata, to 1e-8.

    It has who enters at a time at risk at that time: half an interval says not.
    """
    rows = cancer()
    rows = with_columns(rows, known=np.random.default_rng(4).normal(0, 0.3, len(rows)))
    rows = divided(rows, by_covariate("age")(rows))
    model = CoxGrid(AT_RISK, QUARTERS, RISKS, ties=ties, offset="known")
    found = fit_cox_grid(network(rows), model)
    data = rounded(rows, found.edges, "entry", "time")
    theirs = PHReg(
        data["to"], data[list(RISKS)], data["has"], entry=data["from"] + 0.5,
        offset=data["known"], ties=ties.value,
    ).fit(tol=1e-13)  # fmt: skip
    np.testing.assert_allclose(found.coefficients, theirs.params, atol=1e-8)
    np.testing.assert_allclose(found.standard_errors, theirs.bse, atol=1e-8)
    assert found.log_likelihood == pytest.approx(theirs.llf, abs=1e-6)
    assert (found.persons, found.events) == (data["person"].nunique(), data["has"].sum())


@pytest.mark.parametrize("ties", Ties)
def test_weights_and_sandwich_are_those_of_one_stratum(ties: Ties) -> None:
    """Authority: `fit_cox` of the rounded times at one hospital (its own: test_cox.py), to 1e-9."""
    rows = cancer()
    weight = np.random.default_rng(9).uniform(0.2, 3, len(rows)) * (rows.person % 9 > 0)
    rows = with_columns(divided(rows, rows.person % 4), weight=weight)
    rows = Rows(rows.person // 2 * 2 + rows.hospital % 2, *_rest(rows))
    model = CoxGrid(AT_RISK, QUARTERS, RISKS, ties=ties, weights="weight", robust=True)
    found = fit_cox_grid(network(rows), model)
    data = rounded(rows, found.edges, "entry", "time")
    one = rows_of({name: data[name].to_numpy() for name in (*RISKS, "weight", "from", "to", "has")})
    one = Rows(data["person"].to_numpy(), one.split_key, one.hospital, one.columns)
    follow_up = FollowUp(start="from", stop="to", event="has")
    continuous = Cox(follow_up, RISKS, ties=ties, weights="weight", robust=True)
    assert difference(found, fit_cox(pooled(one), continuous)) < TOLERANCE


def _rest(rows: Rows) -> tuple:
    return rows.split_key, rows.hospital, rows.columns


def test_time_varying_covariates_are_those_of_lifelines_on_rounded_times() -> None:
    """Authority: lifelines CoxTimeVaryingFitter with weights (Efron), to 1e-7.

    Some were transplanted and died between the same two edges: they died untransplanted.
    """
    rows = heart()
    weight = np.random.default_rng(6).uniform(0.5, 2, len(rows))[rows.person]
    rows = with_columns(divided(rows, rows.person % 4), weight=weight)
    terms = ("age", "year", "surgery", "transplant")
    edges = (0.0, 10.0, 30.0, 60.0, 90.0, 180.0, 365.0)
    follow_up = FollowUp(start="start", stop="stop", event="event")
    run = network(rows)
    found = fit_cox_grid(run, CoxGrid(follow_up, edges, terms, weights="weight"))
    data = rounded(rows, found.edges, "start", "stop")
    within = table(rows)["stop"] <= found.edges[-1]
    assert data["has"].sum() == found.events == (table(rows)["event"] * within).sum()
    theirs = CoxTimeVaryingFitter().fit(
        data[["person", "from", "to", "has", "weight", *terms]],
        id_col="person", start_col="from", stop_col="to", event_col="has", weights_col="weight",
        fit_options={"precision": 1e-12},
    )  # fmt: skip
    np.testing.assert_allclose(found.coefficients, theirs.params_, atol=1e-7)
    np.testing.assert_allclose(found.standard_errors, theirs.standard_errors_, atol=1e-7)
    assert run.exchanges <= 10


def test_a_grid_as_fine_as_the_times_is_no_approximation() -> None:
    """Authority: statsmodels PHReg (Efron) of the times as they are, to 1e-8.

    Nobody was lost before week 52, so weeks without an arrest may be merged.
    """
    rows = divided(rossi(), rossi().person % 4)
    terms = ("fin", "age", "wexp", "mar", "prio")
    model = CoxGrid(FollowUp(stop="week", event="arrest"), tuple(map(float, range(53))), terms)
    found = fit_cox_grid(network(rows, limits=Limits(outcome=1)), model)
    data = table(rows)
    theirs = PHReg(data["week"], data[list(terms)], data["arrest"], ties="efron").fit(tol=1e-13)
    np.testing.assert_allclose(found.coefficients, theirs.params, atol=1e-8)
    np.testing.assert_allclose(found.standard_errors, theirs.bse, atol=1e-8)
    assert found.log_likelihood == pytest.approx(theirs.llf, abs=1e-6)


def approximation(rows: Rows, follow_up: FollowUp, terms: tuple[str, ...], m: int) -> pd.Series:
    """max |grid - continuous| / standard error, both of times up to the last edge."""
    times = rows.column(follow_up.stop)[rows.column(follow_up.event) == 1]
    edges = (0.0, *np.quantile(times, np.arange(1, m + 1) / m))
    end = np.minimum(rows.column(follow_up.stop), edges[-1])
    ended = rows.column(follow_up.event) * (rows.column(follow_up.stop) <= edges[-1])
    cut = with_columns(rows, **{follow_up.stop: end, follow_up.event: ended})
    exact = fit_cox(pooled(cut), Cox(follow_up, terms))
    row: dict[str, float] = {"events": exact.events}
    for ties in Ties:
        found = fit_cox_grid(pooled(rows), CoxGrid(follow_up, edges, terms, ties=ties))
        off = np.abs(found.coefficients - exact.coefficients) / exact.standard_errors
        row |= {"intervals": len(found.edges) - 1, ties.value: float(off.max())}
    return pd.Series(row)


def test_the_difference_from_continuous_time_is_small_and_falls() -> None:
    """Printed: the largest difference in standard errors, by data and number of intervals."""
    arrests = FollowUp(stop="week", event="arrest")
    cancers = FollowUp(stop="time", event="cens")
    terms = ("fin", "age", "prio")
    found = pd.DataFrame({
        **{("rossi", m): approximation(rossi(), arrests, terms, m) for m in (3, 9)},
        **{("gbsg2", m): approximation(gbsg2(), cancers, RISKS, m) for m in (3, 6, 12, 24)},
    }).T  # fmt: skip
    print(found.round(3).to_string())  # noqa: T201
    assert found.loc[("rossi", 9), "efron"] < 0.05
    assert found.loc[("gbsg2", 24), "efron"] < 0.3
    assert (found["efron"] < found["breslow"]).all()
    assert found.loc[("gbsg2", 24), "efron"] < found.loc[("gbsg2", 3), "efron"]


def test_intervals_are_merged_until_each_holds_the_minimum_and_no_other_count_is_shown() -> None:
    rows = divided(rossi(), rossi().person % 4)
    grid = Grid(edges=tuple(map(float, range(53))))
    query = EventGrid(follow_up=FollowUp(stop="week", event="arrest"), grid=grid)
    [total] = network(rows).total([query])
    shown = total["events"][np.isfinite(total["events"])]
    assert (shown >= LIMITS.outcome).all()
    assert shown.sum() == 114
    assert 5 < len(shown) < 12
    assert np.isfinite(total["events"][0, 0, -1])
    few = with_columns(rows, arrest=rows.person < 7)
    with pytest.raises(SuppressedError, match="in events; suppressed is not zero"):
        network(few).total([query])


def test_who_left_alone_is_in_no_difference_of_two_sums() -> None:
    """Else two sums at risk, less that over events, are the covariates of who left between."""
    rows = rossi()
    end = np.where(rows.person == np.flatnonzero(rows.column("arrest") == 0)[0], 18.5, 99)
    rows = with_columns(rows, week=np.minimum(rows.column("week"), end))
    rows = divided(rows, rows.person % 4)
    follow_up, terms = FollowUp(stop="week", event="arrest"), ("age", "prio")
    found = fit_cox_grid(network(rows), CoxGrid(follow_up, (0.0, 13.0, 26.0, 39.0, 52.0), terms))
    assert found.edges == (0.0, 13.0, 52.0)
    asked = CoxGridStep(
        follow_up=follow_up,
        grid=Grid(edges=(0.0, 26.0, 52.0)),
        design=Design(terms=terms),
        coefficients=(0.0, 0.0),
    )
    with pytest.raises(SuppressedError, match="in moved; suppressed is not zero"):
        network(rows).total([asked])


def test_a_grid_that_goes_on_when_hardly_anybody_is_left_is_suppressed() -> None:
    rows = rossi()
    rows = divided(with_columns(rows, arrest=(rows.column("week") < 52) | (rows.person % 60 > 0)),
                   rows.person % 4)  # fmt: skip
    model = CoxGrid(FollowUp(stop="week", event="arrest"), (0.0, 26.0, 52.0), ("age", "prio"))
    with pytest.raises(SuppressedError, match="in others; suppressed is not zero"):
        fit_cox_grid(network(rows), model)


def test_edges_that_do_not_ascend_are_refused() -> None:
    rows = divided(rossi(), rossi().person % 4)
    model = CoxGrid(FollowUp(stop="week", event="arrest"), (0.0, 26.0, 26.0), ("age", "prio"))
    with pytest.raises(FederationError, match="do not allow the answer: parameters_do_not_fit"):
        fit_cox_grid(network(rows), model)
