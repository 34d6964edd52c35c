"""A given model's risks, computed at the hospital: how they discriminate, how right they are.

A risk is known by its log-odds, the linear predictor. Nothing of a single row leaves: bins are
merged until each has the minimum of persons, and the rest are sums.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy.special import expit, ndtr

from pumasi.errors import QueryError
from pumasi.federation.queries.bins import shares
from pumasi.federation.queries.glm import Family, derivatives, lower_triangle
from pumasi.federation.queries.moments import as_flag
from pumasi.federation.query import Counts, Kind, Part, Query, register
from pumasi.federation.rows import Bools, Design, Floats, Rows

# Bins of log-odds, the same for every model; what lies beyond counts in the outermost.
LOWEST, HIGHEST, BINS = -12.0, 12.0, 1000
SUM = 1024.0


class _Risk(Query):
    """What the queries of predicted risks have.

    Args:
        design: the terms of the linear predictor.
        coefficients: one per term.
        outcome: column of 0 and 1.
    """

    kind: ClassVar[Kind] = Kind.LEARNING

    design: Design
    coefficients: tuple[float, ...]
    outcome: str

    def log_odds(self, rows: Rows) -> Floats:
        """The linear predictor, shape (n,)."""
        if len(self.coefficients) != len(self.design.terms):
            raise QueryError("a linear predictor needs one coefficient a term")
        return np.asarray(self.design.matrix(rows) @ np.asarray(self.coefficients))

    def places(self, rows: Rows) -> Floats:
        """Where each row is between the lowest and the highest log-odds, 0 to 1, shape (n,)."""
        return np.clip((self.log_odds(rows) - LOWEST) / (HIGHEST - LOWEST), 0.0, 1.0)

    def bins(self, rows: Rows) -> NDArray[np.int64]:
        """Number of each row's bin, shape (n,)."""
        return np.minimum(self.places(rows) * BINS, BINS - 1).astype(np.int64)


@register
class RiskHistogram(_Risk):
    """Rows by bin of the risk, without and with the outcome, merged apart.

    Parts, of shape (BINS,): `control_persons` and `case_persons`, shares of persons, by which
    neighbours are merged; `controls` and `cases`, rows; sums over them of the place, 0 to 1, and of
    its square: `control_places`, `case_places`, `control_squares` and `case_squares`.
    """

    name: ClassVar[str] = "risk_histogram"

    def parts(self) -> tuple[Part, ...]:
        """See the class."""
        shape, found = (BINS,), []
        for who in ("control", "case"):
            by = f"{who}_persons"
            found.append(Part(by, shape, counts=Counts.OUTCOME, merged_by=by))
            for name in (f"{who}s", f"{who}_places", f"{who}_squares"):
                found.append(Part(name, shape, merged_by=by))
        return tuple(found)

    def compute(self, rows: Rows) -> Mapping[str, Floats]:
        """See the class."""
        y, number, share = as_flag(rows, self.outcome), self.bins(rows), shares(rows)
        place, found = self.places(rows), {}
        for who, chosen in (("control", ~y), ("case", y)):
            found[f"{who}_persons"] = _binned(number, share, chosen)
            found[f"{who}s"] = _binned(number, np.ones(len(rows)), chosen)
            found[f"{who}_places"] = _binned(number, place, chosen)
            found[f"{who}_squares"] = _binned(number, place**2, chosen)
        return found


class Distribution(BaseModel):
    """A distribution of risks as merged bins show it.

    Args:
        last: number of the last bin of each merged bin.
        share: of the rows, in each.
        mean, deviation: of the places of the rows in each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    last: tuple[int, ...]
    share: tuple[float, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def below(self, place: Floats, number: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """The share below each row, half of what is tied included, and what it may be off by.

        Within a merged bin risks are taken as normal; the share is wrong by what is in it at most.

        Args:
            place: of the rows, shape (n,).
            number: their bins, shape (n,).

        Raises:
            QueryError: these are no merged bins, or their shares do not sum to 1.
        """
        last, share, mean, deviation = map(
            np.asarray, (self.last, self.share, self.mean, self.deviation)
        )
        sound = len(last) == len(share) == len(mean) == len(deviation) > 0
        if not sound or (np.diff(last, prepend=-1) <= 0).any() or last[-1] != BINS - 1:
            raise QueryError("a distribution needs the last bins of all its merged bins")
        if (share < 0).any() or (deviation <= 0).any() or abs(share.sum() - 1) > 1e-6:
            raise QueryError("a distribution needs shares that sum to 1, and deviations")
        at = np.searchsorted(last, number)
        part = ndtr((place - mean[at]) / deviation[at])
        below = (np.cumsum(share) - share)[at] + share[at] * part
        return below, share[at] * np.maximum(part, 1 - part)


@register
class Placements(_Risk):
    """Where the risks of each group lie in the distribution of the other, as sums.

    The placement of a row with the outcome is the share of those without below it; of a row
    without, the share of those with above it. A row's error is what its placement may be off by.
    Only a mean of monotone placements leaves, of all rows with the outcome, and of all without.

    Args:
        controls: distribution of the rows without the outcome.
        cases: of those with it.
        area: about what the mean placement is; squares are taken around it.

    Parts: `case_persons` and `control_persons`; `cases` and `controls`, rows; sums over them of
    `case_placement`, `control_placement`, `case_error` and `control_error`; `squares`, shape (3,):
    with u and v a person's sums of placements minus area, over rows with and without the outcome,
    the sums over persons of u^2, v^2 and u v.
    """

    name: ClassVar[str] = "placements"

    controls: Distribution
    cases: Distribution
    area: float

    def parts(self) -> tuple[Part, ...]:
        """See the class."""
        sums = ("cases", "controls", "case_placement", "control_placement")
        return (
            Part("case_persons", (), counts=Counts.OUTCOME),
            Part("control_persons", (), counts=Counts.OUTCOME),
            *(Part(name, (), scale=SUM) for name in (*sums, "case_error", "control_error")),
            Part("squares", (3,), scale=SUM),
        )

    def compute(self, rows: Rows) -> Mapping[str, Floats]:
        """See the class."""
        y, place, number = as_flag(rows, self.outcome), self.places(rows), self.bins(rows)
        below, error = self.controls.below(place, number)
        of_cases, case_error = np.where(y, below, 0.0), np.where(y, error, 0.0)
        below, error = self.cases.below(place, number)
        of_controls, control_error = np.where(y, 0.0, 1 - below), np.where(y, 0.0, error)
        u = rows.by_person(np.where(y, of_cases - self.area, 0.0))
        v = rows.by_person(np.where(y, 0.0, of_controls - self.area))
        return {
            "case_persons": np.asarray(rows.persons(y), dtype=np.float64),
            "control_persons": np.asarray(rows.persons(~y), dtype=np.float64),
            "cases": np.asarray(y.sum(), dtype=np.float64),
            "controls": np.asarray((~y).sum(), dtype=np.float64),
            "case_placement": np.asarray(of_cases.sum()),
            "control_placement": np.asarray(of_controls.sum()),
            "case_error": np.asarray(case_error.sum()),
            "control_error": np.asarray(control_error.sum()),
            "squares": np.array([u @ u, v @ v, u @ v]),
        }


@register
class CalibrationStep(_Risk):
    """What two recalibrations need of the rows: of the intercept, and of intercept and slope.

    Logistic models of the outcome with the linear predictor as offset (`shift` is added), and with
    intercept and slope of the linear predictor (`line`).

    Parts: `cases` and `controls`, persons; `rows`; `events`, rows with the outcome; `risk`, sum of
    the risks; `squared_error`, sum of (outcome - risk)^2; `shift_score` and `shift_information`;
    `line_likelihood`, `line_score`, shape (2,), and `line_information`, the lower triangle.
    """

    name: ClassVar[str] = "calibration_step"

    shift: float = 0.0
    line: tuple[float, float] = (0.0, 1.0)

    def parts(self) -> tuple[Part, ...]:
        """See the class."""
        numbers = ("rows", "events", "risk", "squared_error", "shift_score", "shift_information")
        return (
            Part("cases", (), counts=Counts.OUTCOME),
            Part("controls", (), counts=Counts.OUTCOME),
            *(Part(name, (), scale=SUM) for name in (*numbers, "line_likelihood")),
            Part("line_score", (2,), scale=SUM),
            Part("line_information", (3,), scale=SUM),
        )

    def compute(self, rows: Rows) -> Mapping[str, Floats]:
        """See the class."""
        y, predicted = as_flag(rows, self.outcome), self.log_odds(rows)
        event, one = y.astype(np.float64), np.ones(len(rows))
        x = np.column_stack([one, predicted])
        shifted = derivatives(Family.BINOMIAL, event, predicted + self.shift, 0.0)
        lined = derivatives(Family.BINOMIAL, event, x @ np.asarray(self.line), 0.0)
        risk = expit(predicted)
        return {
            "cases": np.asarray(rows.persons(y), dtype=np.float64),
            "controls": np.asarray(rows.persons(~y), dtype=np.float64),
            "rows": np.asarray(len(rows), dtype=np.float64),
            "events": np.asarray(event.sum()),
            "risk": np.asarray(risk.sum()),
            "squared_error": np.asarray(((event - risk) ** 2).sum()),
            "shift_score": np.asarray(shifted.residual.sum()),
            "shift_information": np.asarray(shifted.curvature.sum()),
            "line_likelihood": np.asarray(lined.log_likelihood.sum()),
            "line_score": lined.score(x, one),
            "line_information": lower_triangle(lined.information(x, one)),
        }

    def influence(self, rows: Rows) -> Floats:
        """The weight of each row in the information of both, shape (n, 2)."""
        predicted = self.log_odds(rows)
        at = np.column_stack([predicted + self.shift, self.line[0] + self.line[1] * predicted])
        return np.asarray(expit(at) * expit(-at))


@register
class CalibrationBins(_Risk):
    """Rows and risks by bin of the risk; a merged bin has enough persons with and without outcome.

    Parts: `persons`, shares of persons without and with the outcome, shape (2, BINS), by which
    neighbours are merged; `rows`, likewise; `risk`, sum of the risks, shape (BINS,).
    """

    name: ClassVar[str] = "calibration_bins"

    def parts(self) -> tuple[Part, ...]:
        """See the class."""
        both = (2, BINS)
        return (
            Part("persons", both, counts=Counts.OUTCOME, merged_by="persons"),
            Part("rows", both, merged_by="persons"),
            Part("risk", (BINS,), merged_by="persons"),
        )

    def compute(self, rows: Rows) -> Mapping[str, Floats]:
        """See the class."""
        y, number, share = as_flag(rows, self.outcome), self.bins(rows), shares(rows)
        one = np.ones(len(rows))
        return {
            "persons": np.array([_binned(number, share, of) for of in (~y, y)]),
            "rows": np.array([_binned(number, one, of) for of in (~y, y)]),
            "risk": _binned(number, expit(self.log_odds(rows)), one > 0),
        }


def _binned(number: NDArray[np.int64], values: Floats, chosen: Bools) -> Floats:
    """Sum by bin of the values of the chosen rows, shape (BINS,)."""
    return np.bincount(number[chosen], values[chosen], minlength=BINS).astype(np.float64)
