"""A network's model on one hospital's rows: held to scikit-learn and statsmodels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from pumasi.auroc import Interval
from pumasi.errors import QueryError, TaskError
from pumasi.federation.rows import Rows
from pumasi.learn.at_hospital import GROUPS, judge_at
from pumasi.learn.network_model import NetworkModel, NetworkTask, learn
from pumasi.learn.task import Model
from pumasi.report.at_hospital import at_hospital_page
from tests.estimate.hospitals import network
from tests.learn.test_network_model import TASK, rows

PLAN = NetworkTask(TASK, "ridge", interactions=("age:is_female",))


@pytest.fixture(scope="module")
def model() -> NetworkModel:
    return learn(network(rows()), PLAN)


@pytest.fixture(scope="module")
def here() -> Rows:
    return rows().by_hospital()[0]


def own(release: str, area: float) -> Model:
    return Model(
        task=TASK.name, release=release, features=TASK.features, coefficients=(0.0,) * 4,
        intercept=0.0, n_train=1, events_train=1, n_test=1, events_test=1, n_excluded=0,
        n_incomplete=0, n_outcome_not_observed=0, auroc=Interval(area, area - 0.1, area + 0.1),
        calibration_slope=1.0, calibration_intercept=0.0,
    )  # fmt: skip


def test_the_numbers_are_those_of_the_hospital_s_test_rows(model: NetworkModel, here: Rows) -> None:
    judged = judge_at("h0", model, PLAN, here, "r1", None)
    test = here.where(here.split_key >= 70)
    columns = [np.prod([test.column(c) for c in term.split(":")], axis=0) for term in model.terms]
    log_odds = model.intercept + np.column_stack(columns) @ np.array(model.coefficients)
    outcome = test.column("falls_ill")
    assert judged.network.estimate == pytest.approx(roc_auc_score(outcome, log_odds), abs=1e-12)
    assert (judged.rows, judged.events) == (len(test), int(outcome.sum()))
    assert [group.rows for group in judged.curve] == [
        len(part) for part in np.array_split(np.arange(len(test)), GROUPS)
    ]
    assert sum(group.rows * group.observed for group in judged.curve) == pytest.approx(
        judged.events
    )
    last = judged.curve[-1]
    limits = proportion_confint(round(last.observed * last.rows), last.rows, method="wilson")
    assert (last.lower, last.upper) == pytest.approx(limits, abs=1e-9)
    tenth = next(each for each in judged.top if each.share == 0.1)
    riskiest = outcome[np.argsort(-log_odds, kind="stable")][: tenth.rows]
    assert tenth.events == riskiest.sum()
    assert tenth.enrichment == pytest.approx(riskiest.mean() / outcome.mean())


@pytest.mark.parametrize(
    ("area", "release", "first"),
    [
        (0.99, "r1", "The own model is better here"),
        (0.01, "r1", "at least as good here as the own one"),
        (0.99, "r0", "Only the network has a model for this hospital"),
    ],
)
def test_the_page_says_first_which_model_is_better_here(
    model: NetworkModel, here: Rows, area: float, release: str, first: str
) -> None:
    judged = judge_at("h0", model, PLAN, here, "r1", own(release, area))
    page = at_hospital_page(judged, "Haneul University Hospital")
    verdict = page[page.index('<section class="verdict') : page.index("</section>")]
    assert first in verdict
    assert f"{judged.network.estimate:.3f}" in verdict
    assert "Stays inside Haneul University Hospital" in page
    assert "http" not in page


def test_a_hospital_without_the_outcome_among_its_test_rows_is_refused(
    model: NetworkModel, here: Rows
) -> None:
    nobody = replace(here, columns={**here.columns, "falls_ill": np.zeros(len(here))})
    with pytest.raises(TaskError, match="two persons with and two without the outcome"):
        judge_at("h0", model, PLAN, nobody, "r1", None)


def test_rows_without_a_column_of_the_model_are_refused(model: NetworkModel, here: Rows) -> None:
    less = replace(here, columns={k: v for k, v in here.columns.items() if k != "smokes"})
    with pytest.raises(QueryError, match="there is no column smokes"):
        judge_at("h0", model, PLAN, less, "r1", None)
