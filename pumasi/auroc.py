"""The area under the ROC curve of risks, with its interval: how well they tell who has the outcome.

`outcome` is bool, shape (n,); `risk` is a number that is higher where it is riskier, shape (n,);
`person` says whose row it is, shape (n,).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import norm, rankdata

from pumasi.errors import TaskError

Outcomes = NDArray[np.bool_]
Risks = NDArray[np.float64]
Persons = NDArray[np.int64]


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval."""

    estimate: float
    lower: float
    upper: float


def auroc(
    outcome: Outcomes, risk: Risks, person: Persons | None = None, level: float = 0.95
) -> Interval:
    """Area under the ROC curve with the interval of DeLong, DeLong and Clarke-Pearson.

    Biometrics 1988;44:837-845; midranks as in Sun and Xu, IEEE Signal Process Lett 2014;21:1389;
    rows of one person are no independent ones (Obuchowski, Biometrics 1997;53:567-578). Without
    `person` each row is of another. The interval is normal on the logit of the area (Pepe, The
    Statistical Evaluation of Medical Tests, 2003), so that it stays within (0, 1); where all pairs
    are ordered rightly (area 1) or wrongly (0) no variance can be estimated and it is (nan, nan).

    Raises:
        TaskError: fewer than two rows or persons with, or fewer than two without the outcome.
    """
    with_event, without = risk[outcome], risk[~outcome]
    m, n = len(with_event), len(without)
    if m < 2 or n < 2:
        raise TaskError(
            f"AUROC needs two persons with and two without the outcome, got {m} and {n}"
        )
    ranks = rankdata(np.concatenate([with_event, without]))
    area = float((ranks[:m].sum() / m - (m + 1) / 2) / n)
    # Structural components: for each person, the share of the other group ranked on the right side.
    of_cases = (ranks[:m] - rankdata(with_event)) / n
    of_controls = 1 - (ranks[m:] - rankdata(without)) / m
    components = np.empty(m + n)
    components[outcome], components[~outcome] = of_cases - area, of_controls - area
    return on_logit(area, _variance(outcome, components, person), level)


def on_logit(area: float, variance: float, level: float = 0.95) -> Interval:
    """The area with its interval, normal on the logit; (nan, nan) without a variance."""
    if not 0 < area < 1 or variance <= 0:
        return Interval(area, float("nan"), float("nan"))
    half = norm.ppf((1 + level) / 2) * np.sqrt(variance) / (area * (1 - area))
    return Interval(area, float(expit(logit(area) - half)), float(expit(logit(area) + half)))


def variance_between_persons(
    squares: tuple[float, float, float],
    rows: tuple[float, float],
    persons: tuple[float, float, float],
) -> float:
    """Variance of an area whose rows are of persons (Obuchowski, Biometrics 1997;53:567-578).

    Args:
        squares: with u and v a person's sums of components minus area, over rows with and without
            the outcome, the sums over persons of u^2, v^2 and u v.
        rows: with, and without the outcome.
        persons: with such a row, without, and in all.
    """
    (u, v, mixed), (m, n), (have, have_not, every) = squares, rows, persons
    return float(
        u * have / (have - 1) / m**2
        + v * have_not / (have_not - 1) / n**2
        + 2 * mixed * every / (every - 1) / (m * n)
    )


def _variance(outcome: Outcomes, components: Risks, person: Persons | None) -> float:
    """Of the area: the components of each person, with and without the outcome, are summed."""
    of = np.arange(len(outcome)) if person is None else np.unique(person, return_inverse=True)[1]
    every = int(of.max()) + 1
    with_event = np.bincount(of[outcome], components[outcome], every)
    without = np.bincount(of[~outcome], components[~outcome], every)
    m, n = int(outcome.sum()), int((~outcome).sum())
    have, have_not = len(np.unique(of[outcome])), len(np.unique(of[~outcome]))
    if have < 2 or have_not < 2:
        raise TaskError(
            f"AUROC needs two persons with and two without the outcome, got {have} and {have_not}"
        )
    u, v, mixed = with_event @ with_event, without @ without, with_event @ without
    squares = (float(u), float(v), float(mixed))
    return variance_between_persons(squares, (m, n), (have, have_not, every))
