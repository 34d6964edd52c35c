"""Survival and cumulative incidence on a grid: federated equals pooled, pooled the authorities'."""

import numpy as np
import pandas as pd
import pytest
from lifelines import AalenJohansenFitter, KaplanMeierFitter
from statsmodels.duration.survfunc import CumIncidenceRight, SurvfuncRight

from pumasi.errors import SuppressedError
from pumasi.estimate.survival import Curve, Survival, cumulative_incidence, kaplan_meier
from pumasi.federation.cells import Limits
from pumasi.federation.queries import EventGrid, EventGridByGroup, FollowUp, Grid, SurvivalTable
from pumasi.federation.rows import Rows
from tests.estimate.hospitals import (
    Split,
    by_covariate,
    by_outcome,
    divided,
    lopsided,
    network,
    pooled,
)
from tests.estimate.survival_data import entering_late, gbsg2, heart, rossi, rounded, with_columns

TOLERANCE = 1e-9
HALF_YEARS = tuple(np.arange(0, 13) * 365.25 / 2)
LATE = FollowUp(start="entry", stop="time", event="event")
EARLY = FollowUp(stop="time", event="event")


def cancer(causes: int = 1) -> Rows:
    """Recurrence; of two causes, told apart by the size of the tumour, if there are two."""
    rows = entering_late(gbsg2(), "time")
    second = (rows.column("tsize") > 25) & (causes == 2)
    return with_columns(rows, event=rows.column("cens") * (1 + second))


def numbers(curves: list[Curve]) -> np.ndarray:
    return np.array([(c.at_risk, c.probability, c.variance, c.lower, c.upper) for c in curves])


SPLITS = {
    "covariate": by_covariate("age"),
    "outcome": by_outcome("event"),
    "level": by_covariate("hormones"),
    "lopsided": lopsided,
}


@pytest.mark.parametrize("masked", [True, False], ids=("masked", "clear"))
@pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS)
def test_of_hospitals_is_that_of_the_pool(split: Split, masked: bool) -> None:
    rows = cancer(causes=2)
    rows = divided(rows, split(rows))
    model = Survival(LATE, HALF_YEARS, causes=2, by="hormones", levels=(0.0, 1.0))
    for estimate in (kaplan_meier, cumulative_incidence):
        run = network(rows, masked=masked)
        found, other = estimate(run, model), estimate(pooled(rows), model)
        np.testing.assert_allclose(numbers(found), numbers(other), rtol=TOLERANCE)
        assert run.exchanges == 2


def test_kaplan_meier_with_late_entry_is_that_of_lifelines() -> None:
    """Authority: lifelines KaplanMeierFitter with entry, on rounded times, by group, to 1e-9."""
    rows = divided(cancer(), cancer().person % 4)
    model = Survival(LATE, HALF_YEARS, by="hormones", levels=(0.0, 1.0))
    for curve in kaplan_meier(network(rows), model):
        group = rows.where(rows.column("hormones") == curve.level)
        data = rounded(group, (0.0, *curve.times), "entry", "time")
        theirs = KaplanMeierFitter().fit(data["to"], data["has"], entry=data["from"])
        places = np.arange(1, len(curve.times) + 1)
        np.testing.assert_allclose(curve.probability, theirs.predict(places), rtol=1e-9)
        np.testing.assert_allclose(
            curve.variance / curve.probability**2, theirs._cumulative_sq_.loc[places], rtol=1e-9
        )
        bounds = theirs.confidence_interval_.loc[places].to_numpy().T
        np.testing.assert_allclose((curve.lower, curve.upper), bounds, rtol=1e-8)


def test_kaplan_meier_is_that_of_statsmodels() -> None:
    """Authority: statsmodels SurvfuncRight on rounded times, to 1e-9."""
    rows = with_columns(divided(rossi(), rossi().person % 4), event=rossi().column("arrest"))
    weeks = tuple(map(float, range(0, 53, 4)))
    [curve] = kaplan_meier(network(rows), Survival(FollowUp(stop="week", event="event"), weeks))
    data = rounded(rows, (0.0, *curve.times), None, "week")
    theirs = SurvfuncRight(data["to"], data["has"])
    np.testing.assert_allclose(curve.probability, theirs.surv_prob, rtol=1e-9)
    np.testing.assert_allclose(np.sqrt(curve.variance), theirs.surv_prob_se, rtol=1e-9)
    np.testing.assert_allclose(curve.at_risk, theirs.n_risk)
    np.testing.assert_allclose(curve.events, theirs.n_events)


def test_cumulative_incidence_is_that_of_statsmodels() -> None:
    """Authority: statsmodels CumIncidenceRight with its standard errors, rounded times, to 1e-9."""
    rows = divided(cancer(causes=2), cancer().person % 4)
    curves = cumulative_incidence(network(rows), Survival(EARLY, HALF_YEARS, causes=2))
    data = rounded(rows, (0.0, *curves[0].times), None, "time")
    theirs = CumIncidenceRight(data["to"], data["has"])
    for cause, curve in enumerate(curves):
        np.testing.assert_allclose(curve.probability, theirs.cinc[cause], rtol=1e-9)
        np.testing.assert_allclose(np.sqrt(curve.variance), theirs.cinc_se[cause], rtol=1e-9)
    [alive] = kaplan_meier(network(rows), Survival(EARLY, HALF_YEARS, causes=2))
    together = alive.probability + curves[0].probability + curves[1].probability
    np.testing.assert_allclose(together, 1, rtol=1e-12)


@pytest.mark.filterwarnings("ignore")
def test_cumulative_incidence_with_late_entry_is_that_of_lifelines() -> None:
    """Authority: lifelines AalenJohansenFitter with entry, which has no ties: to what breaking them
    at random does, 0.003; variances to 3 %.
    """
    rows = divided(cancer(causes=2), cancer().person % 4)
    curves = cumulative_incidence(network(rows), Survival(LATE, HALF_YEARS, causes=2))
    data = rounded(rows, (0.0, *curves[0].times), "entry", "time")
    for curve in curves:
        theirs = AalenJohansenFitter(seed=1, jitter_level=1e-3).fit(
            data["to"], data["has"], event_of_interest=curve.cause, entry=data["from"] + 0.01
        )
        places = np.arange(1, len(curve.times) + 1) + 0.2
        close = theirs.predict(places)
        np.testing.assert_allclose(curve.probability, close, atol=3e-3)
        at = theirs.variance_.index.searchsorted(places, side="right") - 1
        np.testing.assert_allclose(curve.variance, theirs.variance_.iloc[at], rtol=0.03)


def test_a_single_cause_has_the_incidence_that_survival_leaves() -> None:
    rows = divided(cancer(), cancer().person % 4)
    model = Survival(LATE, HALF_YEARS)
    [survival], [incidence] = (
        kaplan_meier(network(rows), model), cumulative_incidence(network(rows), model)
    )  # fmt: skip
    np.testing.assert_allclose(1 - survival.probability, incidence.probability, rtol=1e-12)
    np.testing.assert_allclose(survival.variance, incidence.variance, rtol=1e-10)


def test_rows_of_a_person_are_one_life() -> None:
    """Authority: lifelines KaplanMeierFitter of one row a person; transplants are no event."""
    rows = divided(heart(), heart().person % 4)
    edges = (0.0, 10.0, 30.0, 60.0, 120.0, 365.0)
    follow_up = FollowUp(start="start", stop="stop", event="event")
    [curve] = kaplan_meier(network(rows), Survival(follow_up, edges))
    lives = pd.DataFrame({"person": rows.person, **rows.columns}).groupby("person")
    stop, event = lives["stop"].max(), lives["event"].max()
    places = np.searchsorted(np.array([0.0, *curve.times]), stop)
    has = event * (stop <= curve.times[-1])
    theirs = KaplanMeierFitter().fit(np.minimum(places, len(curve.times)), has)
    expected = theirs.predict(np.arange(1, len(curve.times) + 1))
    np.testing.assert_allclose(curve.probability, expected, rtol=1e-9)
    assert curve.at_risk[0] == 103


def test_every_group_and_cause_must_reach_the_minimum_in_a_merged_interval() -> None:
    rows = divided(cancer(causes=2), cancer().person % 4)
    query = EventGridByGroup(
        follow_up=EARLY, grid=Grid(edges=HALF_YEARS), causes=2, by="hormones", levels=(0.0, 1.0)
    )
    [total] = network(rows).total([query])
    shown = total["events"][..., np.isfinite(total["events"][0, 0])]
    assert shown.shape[:2] == (2, 2)
    assert np.isfinite(shown).all()
    assert (shown >= 10).all()
    levels = query.model_copy(update={"levels": (0.0, 1.0, 2.0)})
    with pytest.raises(SuppressedError, match="in events; suppressed is not zero"):
        network(rows).total([levels])


def test_a_hospital_may_tell_its_own_table_where_nobody_is_alone() -> None:
    rows = with_columns(rossi(), event=rossi().column("arrest"))
    rows = divided(rows, rows.person % 4)
    query = SurvivalTable(
        follow_up=FollowUp(stop="week", event="event"), grid=Grid(edges=(0.0, 26.0, 52.0))
    )
    [answers] = network(rows).each([query])
    assert sum(answer["events"].sum() for answer in answers) == 114
    merging = EventGrid(follow_up=query.follow_up, grid=query.grid)
    run = network(rows)
    assert run.each([merging]) == [[]]
    assert set(run.refusals.values()) == {"too_few_persons"}


def test_a_grid_beyond_the_last_who_is_followed_is_suppressed() -> None:
    rows = divided(cancer(), cancer().person % 4)
    everybody = with_columns(rows, event=np.ones(len(rows)))
    with pytest.raises(SuppressedError, match="in others"):
        kaplan_meier(network(everybody), Survival(EARLY, (0.0, 500.0, 3000.0)))
    [curve] = kaplan_meier(
        network(everybody, limits=Limits(outcome=3)), Survival(EARLY, (0.0, 500.0, 1000.0))
    )
    assert curve.probability[-1] > 0
