"""How a model does at one hospital, beside the hospital's own: what only `each` can ask.

The answer is no sum: it is refused in totals. Four areas and counts of persons, all at least the
minimum, leave the hospital; the own model does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from scipy.special import expit

from pumasi.auroc import auroc
from pumasi.errors import QueryError
from pumasi.federation.queries.moments import as_flag
from pumasi.federation.query import Counts, Kind, Part, Query, register
from pumasi.federation.rows import Design, Floats, Keys, Rows

MAXIMUM_STEPS = 50
TOLERANCE = 1e-9
# Room for both areas to be computed; fewer are refused by the minimum anyway.
FEWEST = 2


@register
class OwnPerformance(Query):
    """AUROC of a given model and of the hospital's own ridge logistic model, on its test persons.

    The own model is fitted on the hospital's learning persons, with the same terms, standardised by
    their own means and deviations; terms that are constant there are left out.

    Args:
        design: the terms of the given model, the log-odds; the intercept first.
        coefficients: one per term.
        outcome: column of 0 and 1.
        learning: persons whom the own model is fitted on.
        testing: persons whom both are judged on.
        penalty: of the own model, as in `pumasi.estimate.glm`.

    Parts: `persons`; `cases` and `controls`, persons, shape (2,): learning, testing; `areas`, shape
    (2,): given, own; `bounds`, shape (2, 2): lower and upper 95 % limit of each.
    """

    name: ClassVar[str] = "own_performance"
    kind: ClassVar[Kind] = Kind.LEARNING
    additive: ClassVar[bool] = False
    own: ClassVar[bool] = True

    design: Design
    coefficients: tuple[float, ...]
    outcome: str
    learning: Keys
    testing: Keys
    penalty: float = 1.0

    def parts(self) -> tuple[Part, ...]:
        """See the class."""
        return (
            Part("persons", (), counts=Counts.PERSONS),
            Part("cases", (2,), counts=Counts.OUTCOME),
            Part("controls", (2,), counts=Counts.OUTCOME),
            Part("areas", (2,)),
            Part("bounds", (2, 2)),
        )

    def subsets(self, rows: Rows) -> list[Rows]:
        """See the base: all, those who are learned from, those who are judged on."""
        return [rows, self.learning.chosen(rows), self.testing.chosen(rows)]

    def compute(self, rows: Rows) -> Mapping[str, Floats]:
        """See the class."""
        learning, testing = self.learning.chosen(rows), self.testing.chosen(rows)
        cases, controls = [], []
        for part in (learning, testing):
            outcome = as_flag(part, self.outcome)
            cases.append(part.persons(outcome))
            controls.append(part.persons(~outcome))
        areas, bounds = np.full(2, np.nan), np.full((2, 2), np.nan)
        if min(*cases, *controls) >= FEWEST:
            outcome = as_flag(testing, self.outcome)
            given = self.design.matrix(testing) @ np.asarray(self.coefficients)
            own = self._own(learning, testing)
            for number, log_odds in enumerate((given, own)):
                found = auroc(outcome, log_odds, testing.person)
                areas[number] = found.estimate
                bounds[number] = found.lower, found.upper
        return {
            "persons": np.asarray(rows.persons(), dtype=np.float64),
            "cases": np.array(cases, dtype=np.float64),
            "controls": np.array(controls, dtype=np.float64),
            "areas": areas,
            "bounds": bounds,
        }

    def _own(self, learning: Rows, testing: Rows) -> Floats:
        """Log-odds by the own model of the rows of the test persons, shape (n,)."""
        plain = Design(terms=self.design.terms[1:])
        x, y = plain.matrix(learning), as_flag(learning, self.outcome)
        mean, spread = x.mean(axis=0), x.std(axis=0)
        varies = spread > 0
        x = (x[:, varies] - mean[varies]) / spread[varies]
        coefficients = ridge(np.column_stack([np.ones(len(x)), x]), y, self.penalty)
        z = (plain.matrix(testing)[:, varies] - mean[varies]) / spread[varies]
        return np.asarray(coefficients[0] + z @ coefficients[1:])


def ridge(x: Floats, y: np.typing.NDArray[np.bool_], penalty: float) -> Floats:
    """Coefficients of a ridge logistic model by Newton's method, shape (p,); the first is free.

    Raises:
        QueryError: terms are collinear, and the penalty is 0.
    """
    free = np.diag([0.0] + [penalty] * (x.shape[1] - 1))
    b = np.zeros(x.shape[1])
    for _ in range(MAXIMUM_STEPS):
        p = expit(x @ b)
        gradient = x.T @ (y - p) - free @ b
        if np.linalg.norm(gradient) <= TOLERANCE * len(y):
            break
        try:
            b = b + np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + free, gradient)
        except np.linalg.LinAlgError:
            raise QueryError("terms are collinear here: the own model needs a penalty") from None
    return b
