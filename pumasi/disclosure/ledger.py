"""What a hospital has spent of its privacy: everything that was answered about any of its persons.

Adjacent are two states of a hospital that differ in one person with all rows. Answers with noise
spend rho of zero-concentrated differential privacy, which add up over all tasks and studies (Bun
and Steinke, TCC 2016, lemma 1.7): the budget is one per hospital. An exact answer has no guarantee;
a hospital that gave one prints no epsilon for what it was of.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log, sqrt

from pumasi.disclosure.refusal import Refusal, RefusedError


@dataclass(frozen=True)
class Budget:
    """What a hospital may spend in all: (epsilon, delta)-differential privacy of each person."""

    epsilon: float
    delta: float

    @property
    def rho(self) -> float:
        """The largest rho that keeps within it.

        Solves epsilon = rho + 2 sqrt(rho log(1 / delta)), Bun and Steinke 2016, proposition 1.3.
        """
        room = log(1 / self.delta)
        return (sqrt(self.epsilon + room) - sqrt(room)) ** 2


@dataclass(frozen=True)
class Spent:
    """What was answered so far: the sum of rho of noisy answers, and how many were exact."""

    rho: float
    exact: int

    def epsilon(self, delta: float) -> float:
        """Epsilon at this delta; infinite if an answer was exact: there is no guarantee."""
        if self.exact:
            return inf
        return self.rho + 2 * sqrt(self.rho * log(1 / delta))


def require_budget(spent: Spent, rho: float, budget: Budget) -> None:
    """Let an answer spend rho.

    Raises:
        RefusedError: the budget does not cover it.
    """
    if spent.rho + rho > budget.rho:
        raise RefusedError(Refusal.BUDGET)
