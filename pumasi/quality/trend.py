"""Trend: a check that always passed, still passes, and moves as it never did.

The rule is Laney's p' chart: the spread of a share over the builds is the binomial one, widened by
how much more the shares moved from build to build than a binomial share would, and never narrowed.
Builds of one hospital hold mostly the same rows, so that the true spread is smaller: the rule
misses rather than cries wolf. Sources and limits: `limits.csv`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pumasi.quality.limits import limits
from pumasi.quality.outcome import Outcome, Status

# A mean moving range of two is this many standard deviations of a normal distribution.
_MOVING_RANGE = 1.128


@dataclass(frozen=True)
class Trend:
    """A share that moved by more than its history allows, while its check still passes.

    `shares` are those of the builds that had rows to check, oldest first, the last one being the
    one that moved; `expected`, `lower` and `upper` are what the others let expect of it.
    """

    check: str
    table: str
    shares: tuple[float, ...]
    expected: float
    lower: float
    upper: float
    threshold: float

    @property
    def rises(self) -> bool:
        """Whether more rows violate than before."""
        return self.shares[-1] > self.expected


def trends(builds: Sequence[Mapping[str, Outcome]]) -> list[Trend]:
    """Return the moves of the last of the builds, the largest first.

    Args:
        builds: the outcomes of every build by the check's name, oldest first.
    """
    if not builds:
        return []
    found = []
    for name, outcome in builds[-1].items():
        history = [build[name] for build in builds[:-1] if name in build]
        moved = _moved(outcome, [each for each in history if each.denominator])
        found += [moved] if moved else []
    return sorted(found, key=lambda each: (-abs(each.shares[-1] - each.expected), each.check))


def _moved(outcome: Outcome, history: Sequence[Outcome]) -> Trend | None:
    """The trend of an outcome that passed, after builds that all passed; None if it is none."""
    known = limits()
    if len(history) < known["trend_releases"] or not outcome.denominator:
        return None
    if any(each.status is not Status.PASSED for each in (*history, outcome)):
        return None
    bad = np.array([each.violations or 0 for each in history], dtype=np.float64)
    rows = np.array([each.denominator for each in history], dtype=np.float64)
    # With half a violation added a history without any has a spread.
    mean = float((bad.sum() + 0.5) / (rows.sum() + 1))
    z = (bad / rows - mean) / np.sqrt(mean * (1 - mean) / rows)
    widened = max(1.0, float(np.abs(np.diff(z)).mean()) / _MOVING_RANGE)
    spread = widened * float(np.sqrt(mean * (1 - mean) / outcome.denominator))
    reach = max(known["trend_sigmas"] * spread, known["trend_move"])
    share = (outcome.violations or 0) / outcome.denominator
    if abs(share - mean) <= reach:
        return None
    shares = (*(bad / rows).tolist(), share)
    lower, upper = max(0.0, mean - reach), min(1.0, mean + reach)
    return Trend(outcome.name, outcome.table, shares, mean, lower, upper, outcome.threshold)
