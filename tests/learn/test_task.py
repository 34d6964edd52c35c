"""A task learns from training persons, tests on others, and refuses what it can't learn from."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pumasi.errors import NotMappedError, TaskError, TooFewCasesError
from pumasi.learn.asthma_exacerbation import ASTHMA_EXACERBATION
from pumasi.learn.fabry_screening import FABRY_SCREENING
from pumasi.learn.gi_bleed_risk import GI_BLEED_RISK
from pumasi.learn.task import FIRST_TEST_KEY, Task, fit, load_model, require_mapped
from pumasi.quality import Listed, Need, verification_outcomes

TASK = Task(
    name="bleeding",
    table="bleeding__cohort",
    features=("age", "is_female"),
    outcome="bled",
    excluded_when=("is_doubtful",),
)


def cohort(n: int = 4000, seed: int = 3) -> pa.Table:
    generator = np.random.default_rng(seed)
    age = generator.integers(20, 90, n)
    female = generator.random(n) < 0.5
    bled = generator.random(n) < expit(-6 + 0.08 * age + 0.5 * female)
    return pa.table(
        {
            "person_id": np.arange(n),
            "split_key": generator.integers(0, 100, n),
            "age": age,
            "is_female": female,
            "bled": bled,
            "is_doubtful": np.zeros(n, dtype=bool),
        }
    )


def test_model_is_scikit_learns_on_the_training_persons() -> None:
    rows = cohort()
    model = fit(TASK, rows, "r1")
    frame = rows.to_pandas()
    train = frame[frame.split_key < FIRST_TEST_KEY]
    columns = ["age", "is_female"]
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    pipeline.fit(train[columns].to_numpy(dtype=float), train.bled)
    features = frame[columns].to_numpy(dtype=float)
    expected = pipeline.predict_proba(features)[:, 1]
    np.testing.assert_allclose(model.risk(features), expected, atol=1e-9)
    assert model.n_train == len(train)
    assert model.n_train + model.n_test == 4000


def test_model_that_was_saved_predicts_the_same_and_names_its_release(tmp_path: Path) -> None:
    model = fit(TASK, cohort(), "release-7")
    path = model.save(tmp_path)
    assert path.name == "release-7.json"
    assert load_model(path) == model
    assert load_model(path).release == "release-7"


def test_a_model_keeps_the_waivers_that_its_release_was_opened_by(tmp_path: Path) -> None:
    granted = {"check": "person.bad", "limit": 0.05, "responsible": "office", "until": "2026-12-31"}
    model = replace(fit(TASK, cohort(), "r"), waivers=(granted,))
    path = model.save(tmp_path)
    assert json.loads(path.read_text())["waivers"] == [granted]
    assert load_model(path) == model


def test_a_model_of_an_earlier_version_has_no_waivers(tmp_path: Path) -> None:
    path = fit(TASK, cohort(), "r").save(tmp_path)
    said = json.loads(path.read_text())
    del said["waivers"]
    path.write_text(json.dumps(said))
    assert load_model(path).waivers == ()


def test_a_task_opens_a_release_for_its_needs_and_its_concept_sets() -> None:
    unit = "int_measurements_standardised.the_unit_of_a_number_is_known"
    purpose = FABRY_SCREENING.purpose
    assert purpose.name == "fabry_screening"
    assert Need(unit, limit=0.0) in purpose.needs
    assert Need("concept_sets.fabry_disease_is_verified") in purpose.needs
    assert unit not in ASTHMA_EXACERBATION.checks


def test_outcome_of_test_persons_does_not_reach_the_coefficients() -> None:
    rows = cohort()
    flipped = rows.to_pandas()
    test = flipped.split_key >= FIRST_TEST_KEY
    flipped.loc[test, "bled"] = ~flipped.loc[test, "bled"]
    one, other = fit(TASK, rows, "r"), fit(TASK, pa.Table.from_pandas(flipped), "r")
    assert one.coefficients == other.coefficients
    assert one.auroc.estimate == pytest.approx(1 - other.auroc.estimate)


@settings(max_examples=10, deadline=None)
@given(st.integers(min_value=0, max_value=2**32 - 1))
def test_order_of_rows_does_not_matter(seed: int) -> None:
    rows = cohort(1500)
    order = np.random.default_rng(seed).permutation(len(rows))
    one, other = fit(TASK, rows, "r"), fit(TASK, rows.take(order), "r")
    np.testing.assert_allclose(one.coefficients, other.coefficients, atol=1e-4)
    assert one.n_test == other.n_test


def test_outcome_that_was_not_observed_is_left_out_and_counted() -> None:
    frame = cohort().to_pandas()
    frame["bled"] = frame.bled.astype("object")
    frame.loc[:99, "bled"] = None
    model = fit(TASK, pa.Table.from_pandas(frame), "r")
    assert model.n_outcome_not_observed == 100
    assert model.n_train + model.n_test == 3900


def test_flagged_persons_are_left_out_and_counted() -> None:
    frame = cohort().to_pandas()
    frame.loc[:9, "is_doubtful"] = True
    assert fit(TASK, pa.Table.from_pandas(frame), "r").n_excluded == 10


def test_too_few_cases_are_refused_with_their_number() -> None:
    rows = cohort(200)
    with pytest.raises(TooFewCasesError, match=r"not trained: too few cases: the .* persons have"):
        fit(replace(TASK, minimum_events=100), rows, "r")


def test_cases_are_persons_however_many_rows_they_have() -> None:
    """Nineteen persons of five rows each are nineteen cases; a twentieth is enough."""
    frame = cohort(4000).to_pandas()
    frame["person_id"] = frame.index // 5
    frame["split_key"] = frame.person_id % 100
    frame["bled"] = frame.person_id < 19
    task = replace(TASK, minimum_events=1)
    with pytest.raises(TooFewCasesError, match=r"too few cases: 19 recorded; 20 are needed"):
        fit(task, pa.Table.from_pandas(frame), "r")
    frame["bled"] = frame.person_id.isin([*range(13), *range(70, 77)])
    model = fit(task, pa.Table.from_pandas(frame), "r")
    assert (model.events_train, model.events_test) == (65, 35)


def test_a_table_without_rows_has_too_few_cases() -> None:
    with pytest.raises(TooFewCasesError, match="too few cases: 0 recorded"):
        fit(TASK, cohort().slice(0, 0), "r")


def test_rows_that_are_not_chosen_are_neither_learned_from_nor_counted_as_excluded() -> None:
    frame = cohort().to_pandas()
    frame["is_yearly"] = frame.index % 2 == 0
    frame.loc[:9, "is_doubtful"] = True
    task = replace(TASK, chosen_when=("is_yearly",))
    model = fit(task, pa.Table.from_pandas(frame), "r")
    assert (model.n_train + model.n_test, model.n_excluded) == (1995, 5)


@pytest.mark.parametrize("task", [ASTHMA_EXACERBATION, FABRY_SCREENING, GI_BLEED_RISK])
def test_a_task_learns_from_no_outcome_and_asks_for_twenty_cases(task: Task) -> None:
    assert len(set(task.columns)) == len(task.columns)
    seen_later = ("suspicion_date", "is_suspected_by_180", "is_suspected_by_365", "has_died_5y")
    outcomes = ("has_exacerbation_12m", "has_acute_exacerbation_12m", "exacerbations_12m")
    assert not {*seen_later, *outcomes, "has_fabry_5y", "has_gi_bleed_365"} & {*task.features}
    assert task.minimum_cases == 20


def test_person_of_whom_a_feature_is_not_known_is_left_out_and_counted() -> None:
    frame = cohort().to_pandas()
    frame["age"] = frame.age.astype("float")
    frame.loc[:2, "age"] = None
    model = fit(TASK, pa.Table.from_pandas(frame), "r")
    assert model.n_incomplete == 3
    assert model.n_train + model.n_test == 3997


def test_missing_column_is_refused_by_name() -> None:
    with pytest.raises(TaskError, match="bleeding__cohort has no column is_female"):
        fit(TASK, cohort().drop_columns("is_female"), "r")


@pytest.mark.parametrize(("real", "mapped"), [(False, set()), (True, {2000000001})])
def test_a_task_may_rest_on_local_concepts_of_made_up_persons_and_on_mapped_ones(
    real: bool, mapped: set[int]
) -> None:
    listed = [Listed("lyso", 2000000001, "local", "lyso-Gb3")]
    task = replace(TASK, concept_sets=("lyso",))
    require_mapped(task, verification_outcomes(listed, mapped, real=real))


def test_a_task_that_rests_on_a_local_concept_without_a_mapping_is_not_trained() -> None:
    listed = [Listed("lyso", 2000000001, "local", "lyso-Gb3"), Listed("gla", 3, "local", "GLA")]
    outcomes = verification_outcomes(listed, {3}, real=True)
    require_mapped(replace(TASK, concept_sets=("gla",)), outcomes)
    with pytest.raises(NotMappedError, match=r"not trained: concept_sets.lyso_is_mapped: .*lyso-G"):
        require_mapped(replace(TASK, concept_sets=("gla", "lyso")), outcomes)
