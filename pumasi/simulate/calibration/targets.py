"""What a simulation is held to, whether it holds, and the table that says so in the documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Target:
    """What the simulation is held to: a point (low = high) or a range, or shown beside only."""

    quantity: str
    low: float
    high: float
    literature: str
    kind: Literal["held", "beside"] = "held"


def point(quantity: str, value: float, literature: str) -> Target:
    """Return the target of one value."""
    return Target(quantity, value, value, literature)


@dataclass(frozen=True)
class Result:
    """What came out: the estimate, its Monte Carlo error, and whether the target holds."""

    target: Target
    simulated: float
    error: float

    @property
    def holds(self) -> bool:
        """A point within 15 % plus 2 errors; a range within itself."""
        low, high = self.target.low, self.target.high
        if low < high:
            return low <= self.simulated <= high
        return abs(self.simulated - low) <= 0.15 * abs(low) + 2 * self.error


def as_markdown(results: Mapping[str, Result]) -> str:
    """Return the table of targets for the documents: one row per target."""
    return "\n".join(_lines(results)) + "\n"


def _lines(results: Mapping[str, Result]) -> Iterator[str]:
    yield "| quantity | target | simulated | MC error | within | literature |"
    yield "|---|---|---|---|---|---|"
    for result in results.values():
        target = result.target
        exact = target.low == target.high
        aim = f"{target.low:.3g}" if exact else f"{target.low:.3g} to {target.high:.3g}"
        within = "yes" if result.holds else "**no**"
        if target.kind == "beside":
            within = "-"
        yield (
            f"| {target.quantity} | {aim} | {result.simulated:.3g} | {result.error:.2g} "
            f"| {within} | {target.literature} |"
        )
