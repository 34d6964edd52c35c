"""Zero-concentrated differential privacy: what noise costs, and what that is as (epsilon, delta).

Bun and Steinke, TCC 2016: costs rho of several answers add up (lemma 1.7), and rho in all is
(rho + 2 sqrt(rho log(1 / delta)), delta)-differential privacy (proposition 1.3). Whoever answers
and whoever asks reckon with the same formulas.
"""

from __future__ import annotations

from math import log, sqrt


def epsilon_of(rho: float, delta: float) -> float:
    """Epsilon at this delta of what cost rho."""
    return rho + 2 * sqrt(rho * log(1 / delta))


def rho_of(epsilon: float, delta: float) -> float:
    """The largest rho that keeps within epsilon at this delta; the reverse of `epsilon_of`."""
    room = log(1 / delta)
    return (sqrt(epsilon + room) - sqrt(room)) ** 2


def deviation(sensitivity: float, rho: float) -> float:
    """Standard deviation of Gaussian noise that costs rho, Bun and Steinke 2016, proposition 1.6.

    Args:
        sensitivity: by how much a person can change what is answered, in the Euclidean norm.
        rho: what is spent.
    """
    return sensitivity / sqrt(2 * rho)
