"""The area under the ROC curve of risks, with its interval: how well they tell who has the outcome.

`outcome` is bool, shape (n,); `risk` is a number that is higher where it is riskier, shape (n,).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import norm, rankdata

from pumasi.errors import TaskError

Outcomes = NDArray[np.bool_]
Risks = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval."""

    estimate: float
    lower: float
    upper: float


def auroc(outcome: Outcomes, risk: Risks, level: float = 0.95) -> Interval:
    """Area under the ROC curve with the interval of DeLong, DeLong and Clarke-Pearson.

    Biometrics 1988;44:837-845; midranks as in Sun and Xu, IEEE Signal Process Lett 2014;21:1389.
    The interval is normal on the logit of the area (Pepe, The Statistical Evaluation of Medical
    Tests, 2003), so that it stays within (0, 1); where all pairs are ordered rightly (area 1) or
    wrongly (0) no variance can be estimated and it is (nan, nan).

    Raises:
        TaskError: fewer than two persons with, or fewer than two without the outcome.
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
    variance = of_cases.var(ddof=1) / m + of_controls.var(ddof=1) / n
    if not 0 < area < 1:
        return Interval(area, float("nan"), float("nan"))
    half = norm.ppf((1 + level) / 2) * np.sqrt(variance) / (area * (1 - area))
    return Interval(area, float(expit(logit(area) - half)), float(expit(logit(area) + half)))
