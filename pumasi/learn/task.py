"""A prediction task on one mart, and the local model that answers it.

Training and test persons are told apart by `split_key` and nothing else. A model is its
coefficients: a JSON file that a person can read, and that runs no code when it is loaded.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pumasi.atomic import write_text
from pumasi.auroc import Interval, auroc
from pumasi.errors import NotMappedError, TaskError, TooFewCasesError
from pumasi.federation.rows import KEYS, Keys
from pumasi.learn.metrics import calibration_intercept, calibration_slope
from pumasi.quality import Need, Outcome, Purpose, Status, check_of, mapping_check_of

# split_key runs from 0 to 99: persons below learn, persons from here on test.
FIRST_TEST_KEY = 70
LEARNING = Keys(first=0, last=FIRST_TEST_KEY - 1)
TESTING = Keys(first=FIRST_TEST_KEY, last=KEYS - 1)
# A risk of exactly 0 or 1 has no log-odds.
SMALLEST_RISK = 1e-12


@dataclass(frozen=True)
class Task:
    """A learning problem: which rows, what is known at the index, what is to be foretold.

    `numbers` are the features that have other values than 0 and 1. `needs` are checks that must
    hold besides the general gate, `concept_sets` the sets that the table is made with: their
    concepts must have been verified. Rows are learned from if all flags of `chosen_when` are true,
    and left out and counted if one of `excluded_when` is.

    A case is a person with the outcome, however many of the person's rows have it. At least
    `minimum_cases` are needed in all, and `minimum_events` persons with and without the outcome
    among the training persons and among the test persons each.
    """

    name: str
    table: str
    features: tuple[str, ...]
    outcome: str
    numbers: tuple[str, ...] = ()
    needs: tuple[Need, ...] = ()
    excluded_when: tuple[str, ...] = ()
    chosen_when: tuple[str, ...] = ()
    minimum_cases: int = 20
    minimum_events: int = 20
    concept_sets: tuple[str, ...] = ()

    @property
    def flags(self) -> tuple[str, ...]:
        """The features that are true or false."""
        return tuple(name for name in self.features if name not in self.numbers)

    @property
    def purpose(self) -> Purpose:
        """What a release is opened for to learn this."""
        verified = (Need(check_of(name)) for name in self.concept_sets)
        return Purpose(self.name, (*self.needs, *verified))

    @property
    def checks(self) -> tuple[str, ...]:
        """Every check that must hold besides the general gate."""
        return tuple(need.check for need in self.purpose.needs)

    @property
    def mapping_checks(self) -> tuple[str, ...]:
        """Checks of whether the hospital has mapped the local concepts of its sets."""
        return tuple(mapping_check_of(name) for name in self.concept_sets)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the table that the task reads."""
        flags = (*self.excluded_when, *self.chosen_when)
        return ("person_id", "split_key", self.outcome, *self.features, *flags)


@dataclass(frozen=True)
class Model:
    """A fitted logistic model on the log-odds scale, with how it did on held-out persons.

    Rows left out are counted: excluded by a flag of the task, incomplete (a feature is not known),
    outcome not observed. `waivers` are those without which the release would not have been open:
    what was granted, not what was counted.
    """

    task: str
    release: str
    features: tuple[str, ...]
    coefficients: tuple[float, ...]
    intercept: float
    n_train: int
    events_train: int
    n_test: int
    events_test: int
    n_excluded: int
    n_incomplete: int
    n_outcome_not_observed: int
    auroc: Interval
    calibration_slope: float
    calibration_intercept: float
    waivers: tuple[dict[str, str | float], ...] = ()

    def risk(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Predicted risks, shape (n,), of rows of features in the order of `features`, (n, p)."""
        log_odds = self.intercept + features @ np.asarray(self.coefficients)
        return np.asarray(expit(log_odds), dtype=np.float64)

    def save(self, folder: Path) -> Path:
        """Write the model as `<release>.json` below `folder` and return the path."""
        path = folder / f"{self.release}.json"
        write_text(path, json.dumps(asdict(self), indent=1) + "\n")
        return path


def load_model(path: Path) -> Model:
    """The model that `Model.save` wrote."""
    said: dict[str, Any] = json.loads(path.read_text())
    said["auroc"] = Interval(**said["auroc"])
    said["features"] = tuple(said["features"])
    said["coefficients"] = tuple(said["coefficients"])
    said["waivers"] = tuple(said.get("waivers", ()))
    return Model(**said)


def require_mapped(task: Task, outcomes: Iterable[Outcome]) -> None:
    """Raise NotMappedError, naming the concepts, if the hospital has not mapped what it must."""
    unmapped = [
        f"{outcome.name}: {outcome.message}"
        for outcome in outcomes
        if outcome.name in task.mapping_checks and outcome.status is not Status.PASSED
    ]
    if unmapped:
        raise NotMappedError(f"task {task.name}: not trained: {'; '.join(unmapped)}")


def fit(task: Task, rows: pa.Table, release: str) -> Model:
    """Fit a ridge logistic regression (scikit-learn's default penalty on standardised features).

    Args:
        task: the learning problem.
        rows: the task's table; `person_id`, `split_key`, the features and a nullable boolean
            outcome.
        release: id of the release that the rows come from.

    Raises:
        TaskError: a column is missing.
        TooFewCasesError: events are too few to learn from or to test on.
    """
    _require_columns(task, rows)
    chosen = rows
    for flag in task.chosen_when:
        chosen = chosen.filter(pc.fill_null(chosen[flag], False))
    kept = chosen
    for flag in task.excluded_when:
        kept = kept.filter(pc.invert(pc.fill_null(kept[flag], False)))
    complete = _complete(task, kept)
    observed = complete.filter(pc.is_valid(complete[task.outcome]))
    outcome = observed[task.outcome].to_numpy(zero_copy_only=False).astype(bool)
    features = _matrix(task, observed)
    test = observed["split_key"].to_numpy() >= FIRST_TEST_KEY
    person = observed["person_id"].to_numpy()
    _require_cases(task, person, outcome, test)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    pipeline.fit(features[~test], outcome[~test])
    coefficients, intercept = _unstandardised(pipeline)
    log_odds = intercept + features[test] @ coefficients
    risk = np.clip(expit(log_odds), SMALLEST_RISK, 1 - SMALLEST_RISK)
    return Model(
        task=task.name,
        release=release,
        features=task.features,
        coefficients=tuple(float(c) for c in coefficients),
        intercept=float(intercept),
        n_train=int((~test).sum()),
        events_train=int(outcome[~test].sum()),
        n_test=int(test.sum()),
        events_test=int(outcome[test].sum()),
        n_excluded=len(chosen) - len(kept),
        n_incomplete=len(kept) - len(complete),
        n_outcome_not_observed=len(complete) - len(observed),
        auroc=auroc(outcome[test], risk, person[test]),
        calibration_slope=calibration_slope(outcome[test], risk),
        calibration_intercept=calibration_intercept(outcome[test], risk),
    )


def _require_columns(task: Task, rows: pa.Table) -> None:
    missing = [name for name in task.columns if name not in rows.column_names]
    if missing:
        raise TaskError(f"task {task.name}: table {task.table} has no column {', '.join(missing)}")


def _complete(task: Task, rows: pa.Table) -> pa.Table:
    """Rows of which every feature is known: a model is not taught what was not."""
    for name in task.features:
        rows = rows.filter(pc.is_valid(rows[name]))
    return rows


def _matrix(task: Task, rows: pa.Table) -> NDArray[np.float64]:
    columns = [rows[name].cast(pa.float64()).to_numpy() for name in task.features]
    return np.column_stack(columns)


def _require_cases(
    task: Task, person: NDArray[np.int64], outcome: NDArray[np.bool_], test: NDArray[np.bool_]
) -> None:
    """Raise TooFewCasesError where persons with, or without, the outcome are too few."""
    refused = f"task {task.name}: not trained: too few cases:"
    cases = _persons(person, outcome)
    if cases < task.minimum_cases:
        raise TooFewCasesError(f"{refused} {cases} recorded; {task.minimum_cases} are needed")
    for name, part in (("training", ~test), ("test", test)):
        events, without = _persons(person, outcome & part), _persons(person, ~outcome & part)
        if min(events, without) < task.minimum_events:
            raise TooFewCasesError(
                f"{refused} the {name} persons have {events} with the outcome and {without} "
                f"without; {task.minimum_events} of each are needed"
            )


def _persons(person: NDArray[np.int64], which: NDArray[np.bool_]) -> int:
    return len(np.unique(person[which]))


def _unstandardised(pipeline: Any) -> tuple[NDArray[np.float64], float]:
    """Coefficients and intercept on the features' own scales."""
    scaler, logistic = pipeline[0], pipeline[-1]
    coefficients = logistic.coef_[0] / scaler.scale_
    return coefficients, float(logistic.intercept_[0] - scaler.mean_ @ coefficients)
