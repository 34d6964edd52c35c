"""A network's model at one hospital: judged on its own test persons, beside its own model.

What `each` does not release, the hospital may see itself. Everything here is exact and of its own
rows, so it stays in its folder: the hub gets none of it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import binomtest

from pumasi.atomic import write_text
from pumasi.auroc import Interval, auroc
from pumasi.federation.rows import Design, Rows
from pumasi.learn.metrics import calibration_intercept, calibration_slope
from pumasi.learn.network_model import NetworkModel, NetworkTask
from pumasi.learn.task import SMALLEST_RISK, TESTING, Model

GROUPS = 10
# Shares of the rows, riskiest first: who would be looked at, if so many can be.
TOP = (0.01, 0.05, 0.1, 0.2)


@dataclass(frozen=True)
class Group:
    """Rows of neighbouring risk: how many, their mean risk, the share with the outcome, its limits.

    The limits are Wilson's (JASA 1927;22:209), at 95 %.
    """

    rows: int
    risk: float
    observed: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Yield:
    """Of the riskiest `share` of rows: how many have the outcome, and how often it is expected.

    `enrichment` is the share with the outcome among them over that among all.
    """

    share: float
    rows: int
    events: int
    enrichment: float


@dataclass(frozen=True)
class Judged:
    """How a model of the network does at a hospital.

    Args:
        hospital, task, run: whose rows, what is predicted, which model.
        release: id of the release that the rows come from.
        rows, events: of test persons, and those with the outcome.
        network: AUROC of the network's model, with the interval of DeLong.
        slope, intercept: of its calibration.
        own: AUROC of the hospital's own model on the same rows; None if there is none.
        curve: groups of rows by risk, lowest first.
        top: what the riskiest rows hold.
    """

    hospital: str
    task: str
    run: str
    release: str
    rows: int
    events: int
    network: Interval
    slope: float
    intercept: float
    own: Interval | None
    curve: tuple[Group, ...]
    top: tuple[Yield, ...]

    @property
    def own_is_better(self) -> bool:
        """Whether the hospital's own model has the larger area."""
        return self.own is not None and self.own.estimate > self.network.estimate

    def save(self, folder: Path) -> Path:
        """Write it as `<run>.json` below `folder` and return the path."""
        path = folder / f"{self.run}.json"
        write_text(path, json.dumps(asdict(self), indent=1) + "\n")
        return path


def judge_at(
    hospital: str,
    model: NetworkModel,
    plan: NetworkTask,
    rows: Rows,
    release: str,
    own: Model | None,
) -> Judged:
    """Judge a model of the network on a hospital's test persons.

    Args:
        hospital: its id.
        model: of the network.
        plan: the task that it was learned for.
        rows: of the task at the hospital, `pumasi.answer.task_rows`.
        release: that the rows come from.
        own: the hospital's own model of this release, if one was trained.

    Raises:
        TaskError: fewer than two rows with, or without the outcome.
        QueryError: the rows have not the columns of the model's terms.
    """
    test = TESTING.chosen(rows)
    outcome = test.column(plan.task.outcome) == 1
    log_odds = model.intercept + Design(terms=model.terms).matrix(test) @ np.array(
        model.coefficients
    )
    area = auroc(outcome, log_odds, test.person)
    risk = np.clip(expit(log_odds), SMALLEST_RISK, 1 - SMALLEST_RISK)
    return Judged(
        hospital=hospital,
        task=model.task,
        run=model.run,
        release=release,
        rows=len(test),
        events=int(outcome.sum()),
        network=area,
        slope=calibration_slope(outcome, risk),
        intercept=calibration_intercept(outcome, risk),
        own=own.auroc if own and own.release == release else None,
        curve=_curve(outcome, risk),
        top=_top(outcome, risk),
    )


def _curve(outcome: NDArray[np.bool_], risk: NDArray[np.float64]) -> tuple[Group, ...]:
    order = np.argsort(risk, kind="stable")
    groups = [part for part in np.array_split(order, GROUPS) if len(part)]
    return tuple(_group(outcome[part], risk[part]) for part in groups)


def _group(outcome: NDArray[np.bool_], risk: NDArray[np.float64]) -> Group:
    events = int(outcome.sum())
    limits = binomtest(events, len(outcome)).proportion_ci(method="wilson")
    return Group(
        rows=len(outcome),
        risk=float(risk.mean()),
        observed=events / len(outcome),
        lower=float(limits.low),
        upper=float(limits.high),
    )


def _top(outcome: NDArray[np.bool_], risk: NDArray[np.float64]) -> tuple[Yield, ...]:
    order = np.argsort(-risk, kind="stable")
    found = []
    for share in TOP:
        chosen = outcome[order[: max(1, round(share * len(risk)))]]
        enrichment = float(chosen.mean() / outcome.mean())
        found.append(Yield(share, len(chosen), int(chosen.sum()), enrichment))
    return tuple(found)
