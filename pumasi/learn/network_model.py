"""A task learned over the hospitals of a network, and how well: one model, and each hospital's own.

Two methods: ridge logistic regression with the penalty chosen by cross-validation, and, for few
cases, Firth's with the intercept that makes the mean right (FLIC). Learning and test persons are
told apart by `split_key`, as in local models. What a hospital's own model does there is asked of
the hospital, in its own name, and "not released" where it may not tell.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pumasi.atomic import write_text
from pumasi.auroc import Interval
from pumasi.estimate.calibration import Calibration, calibrating
from pumasi.estimate.discrimination import Risk, discriminating
from pumasi.estimate.firth import Firth, fit_firth
from pumasi.estimate.glm import Glm, fit_glm
from pumasi.estimate.together import together
from pumasi.federation.cells import Limits
from pumasi.federation.network import Network
from pumasi.federation.queries import Family
from pumasi.federation.queries.own import OwnPerformance
from pumasi.federation.rows import Design
from pumasi.learn.task import LEARNING, TESTING, Task


@dataclass(frozen=True)
class NetworkTask:
    """How a task is learned over a network.

    Args:
        task: the learning problem.
        method: ridge logistic regression, or Firth's for few cases.
        interactions: products of features that are terms as well.
        penalties: of the ridge, to choose from.
        folds: of the cross-validation.
        minimum_persons: fewest persons that a sum is shown of; no fewer than every hospital's
            approval says.
        minimum_outcome: fewest persons with, and without the outcome of a cell of a sum; below 10
            only if every hospital's approval allows it.
    """

    task: Task
    method: Literal["ridge", "firth"]
    interactions: tuple[str, ...] = ()
    penalties: tuple[float, ...] = (1.0, 10.0, 100.0, 1000.0)
    folds: int = 5
    minimum_persons: int = 10
    minimum_outcome: int = 10

    @property
    def limits(self) -> Limits:
        """The fewest that a sum may be over."""
        return Limits(persons=self.minimum_persons, outcome=self.minimum_outcome)

    @property
    def terms(self) -> tuple[str, ...]:
        """Features and their products."""
        return (*self.task.features, *self.interactions)

    @property
    def flags(self) -> tuple[str, ...]:
        """Terms of 0 and 1."""
        flags = set(self.task.flags)
        return tuple(term for term in self.terms if set(term.split(":")) <= flags)

    @property
    def ridge(self) -> Glm:
        """The ridge logistic model of the learning persons, its penalty chosen by folds."""
        return Glm(
            Family.BINOMIAL,
            self.terms,
            self.task.outcome,
            flags=self.flags,
            keys=LEARNING,
            penalties=self.penalties,
            folds=self.folds,
        )


@dataclass(frozen=True)
class AtHospital:
    """How the network's model and the hospital's own do on the hospital's test persons.

    `refusal` is the code with which the hospital said that it may not tell; then there is no area.
    """

    hospital: str
    network: Interval | None = None
    own: Interval | None = None
    refusal: str = ""

    @property
    def own_is_better(self) -> bool:
        """Whether the hospital's own model has the larger area there."""
        return bool(self.network and self.own and self.own.estimate > self.network.estimate)


@dataclass(frozen=True)
class NetworkModel:
    """A fitted logistic model on the log-odds scale, with how it does on test persons of all.

    Args:
        task: its name.
        method: ridge or firth.
        terms: the intercept is not among them; `coefficients` and `standard_errors` are theirs.
        intercept: of the log-odds.
        penalty: of the ridge, chosen among `held_out`: held-out log-likelihoods by penalty.
        dropped: terms that too few persons have, with or without the outcome.
        persons: who were learned from.
        auroc: within `auroc_error` of the exact one, by bins.
        calibration: intercept, slope, mean risk, share with the outcome, Brier score, and the curve
            as columns.
        hospitals: the models beside each other at each hospital.
        releases: id of the release that each hospital answered from.
        heads: end of each hospital's audit log with its last answer.
        exchanges: in all, and of the fit.
        minimum_outcome: fewest persons with, and without the outcome of a cell of a sum.
        run: identifies the run.
    """

    task: str
    method: str
    terms: tuple[str, ...]
    coefficients: tuple[float, ...]
    standard_errors: tuple[float, ...]
    intercept: float
    penalty: float | None
    held_out: Mapping[str, float]
    dropped: tuple[str, ...]
    persons: int
    auroc: Interval
    auroc_error: float
    calibration: Mapping[str, Any]
    hospitals: tuple[AtHospital, ...]
    releases: Mapping[str, str]
    heads: Mapping[str, str]
    exchanges: int
    fit_exchanges: int
    minimum_outcome: int
    run: str

    def save(self, folder: Path) -> Path:
        """Write the model as `<run>.json` below `folder` and return the path."""
        path = folder / f"{self.run}.json"
        write_text(path, json.dumps(asdict(self), indent=1) + "\n")
        return path


@dataclass(frozen=True)
class _Fitted:
    terms: tuple[str, ...]
    coefficients: tuple[float, ...]
    standard_errors: tuple[float, ...]
    penalty: float | None
    held_out: dict[str, float]
    dropped: tuple[str, ...]
    persons: int


def learn(network: Network, plan: NetworkTask) -> NetworkModel:
    """Fit the task's model over the network, and judge it on the test persons.

    Raises:
        EstimationError: no model can be fitted or judged; the message says why.
        SuppressedError: too few persons, with or without the outcome.
        FederationError: a hospital refused, or did not answer.
    """
    fitted = _ridge(network, plan) if plan.method == "ridge" else _firth(network, plan)
    fit_exchanges = network.exchanges
    risk = Risk(Design(terms=fitted.terms), fitted.coefficients, plan.task.outcome, keys=TESTING)
    area, calibrated = together(network, discriminating(risk), calibrating(risk))
    hospitals = _at_hospitals(network, plan, risk, fitted.penalty)
    return NetworkModel(
        task=plan.task.name,
        method=plan.method,
        terms=fitted.terms[1:],
        coefficients=fitted.coefficients[1:],
        standard_errors=fitted.standard_errors[1:],
        intercept=fitted.coefficients[0],
        penalty=fitted.penalty,
        held_out=fitted.held_out,
        dropped=fitted.dropped,
        persons=fitted.persons,
        auroc=Interval(area.area, area.lower, area.upper),
        auroc_error=area.error,
        calibration=_calibration(calibrated),
        hospitals=hospitals,
        releases=dict(network.releases),
        heads=dict(network.heads),
        exchanges=network.exchanges,
        fit_exchanges=fit_exchanges,
        minimum_outcome=network.limits.outcome,
        run=network.id,
    )


def _ridge(network: Network, plan: NetworkTask) -> _Fitted:
    found = fit_glm(network, plan.ridge)
    return _Fitted(
        terms=found.terms,
        coefficients=tuple(map(float, found.coefficients)),
        standard_errors=tuple(map(float, found.standard_errors)),
        penalty=found.penalty,
        held_out={f"{penalty:g}": value for penalty, value in found.held_out.items()},
        dropped=found.dropped,
        persons=found.persons,
    )


def _firth(network: Network, plan: NetworkTask) -> _Fitted:
    model = Firth(plan.terms, plan.task.outcome, flags=plan.flags, keys=LEARNING)
    found = fit_firth(network, model)
    coefficients = np.append(found.flic_intercept, found.coefficients[1:])
    return _Fitted(
        terms=found.terms,
        coefficients=tuple(map(float, coefficients)),
        standard_errors=tuple(map(float, found.standard_errors)),
        penalty=None,
        held_out={},
        dropped=found.dropped,
        persons=found.persons,
    )


def _at_hospitals(
    network: Network, plan: NetworkTask, risk: Risk, penalty: float | None
) -> tuple[AtHospital, ...]:
    query = OwnPerformance(
        design=risk.design,
        coefficients=risk.coefficients,
        outcome=plan.task.outcome,
        learning=LEARNING,
        testing=TESTING,
        penalty=penalty or 1.0,
    )
    [answers] = network.each([query])
    told = [
        AtHospital(
            answer.hospital,
            network=Interval(float(answer["areas"][0]), *map(float, answer["bounds"][0])),
            own=Interval(float(answer["areas"][1]), *map(float, answer["bounds"][1])),
        )
        for answer in answers
    ]
    silent = [AtHospital(name, refusal=code) for name, code in network.refusals.items()]
    return tuple(sorted([*told, *silent], key=lambda each: each.hospital))


def _calibration(found: Calibration) -> dict[str, Any]:
    values = asdict(found)
    curve = {name: [float(each) for each in column] for name, column in values["curve"].items()}
    return {**values, "curve": curve}


def load_network_model(path: Path) -> NetworkModel:
    """The model that `NetworkModel.save` wrote."""
    said: dict[str, Any] = json.loads(path.read_text())
    said["auroc"] = Interval(**said["auroc"])
    said["hospitals"] = tuple(
        AtHospital(
            each["hospital"],
            network=Interval(**each["network"]) if each["network"] else None,
            own=Interval(**each["own"]) if each["own"] else None,
            refusal=each["refusal"],
        )
        for each in said["hospitals"]
    )
    for name in ("terms", "coefficients", "standard_errors", "dropped"):
        said[name] = tuple(said[name])
    return NetworkModel(**said)
