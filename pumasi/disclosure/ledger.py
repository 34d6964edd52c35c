"""What a hospital has spent of its privacy: everything that was answered about any of its persons.

Adjacent are two states of a hospital that differ in one person with all rows. Answers with noise
spend rho of zero-concentrated differential privacy, which add up over all tasks and studies
(`pumasi.federation.zcdp`): the budget is one per hospital. An exact answer has no guarantee; a
hospital that gave one prints no epsilon for what it was of.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from pumasi.disclosure.refusal import Refusal, RefusedError
from pumasi.federation.zcdp import epsilon_of, rho_of


@dataclass(frozen=True)
class Budget:
    """What a hospital may spend in all: (epsilon, delta)-differential privacy of each person."""

    epsilon: float
    delta: float

    @property
    def rho(self) -> float:
        """The largest rho that keeps within it."""
        return rho_of(self.epsilon, self.delta)


@dataclass(frozen=True)
class Spent:
    """What was answered so far: the sum of rho of noisy answers, and how many were exact."""

    rho: float
    exact: int

    def epsilon(self, delta: float) -> float:
        """Epsilon at this delta; infinite if an answer was exact: there is no guarantee."""
        if self.exact:
            return inf
        return epsilon_of(self.rho, delta)


def require_budget(spent: Spent, rho: float, budget: Budget) -> None:
    """Let an answer spend rho.

    Raises:
        RefusedError: the budget does not cover it.
    """
    if spent.rho + rho > budget.rho:
        raise RefusedError(Refusal.BUDGET)
