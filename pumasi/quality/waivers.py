"""When a waiver accepts a failing check: while it lasts, and up to the share that it grants.

It accepts a share that was counted and nothing else: no check that could not run or had nothing to
check, and no verification of a concept set, for a code that nobody looked up is not known a little.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from pumasi.config.waivers import Waiver
from pumasi.errors import ConfigError
from pumasi.quality.judge import share_is_within
from pumasi.quality.names import no_such_check
from pumasi.quality.outcome import Outcome, Status


@dataclass(frozen=True)
class WaiverUse:
    """A waiver without which the gate would be closed, and how much was violated."""

    check: str
    limit: float
    responsible: str
    reason: str
    until: date
    violations: int
    denominator: int

    @property
    def share(self) -> float:
        """The share that violates, 0 to 1."""
        return self.violations / self.denominator

    def granted(self) -> dict[str, str | float]:
        """Return what was granted, without what was counted, as JSON values."""
        return {
            "check": self.check,
            "limit": self.limit,
            "responsible": self.responsible,
            "reason": self.reason,
            "until": self.until.isoformat(),
        }

    def __str__(self) -> str:
        return (
            f"{self.check} up to {self.limit:.2%} until {self.until}, {self.responsible}: "
            f"{self.reason}"
        )


def waivers_by_check(waivers: Iterable[Waiver], outcomes: Sequence[Outcome]) -> dict[str, Waiver]:
    """Return the waivers by the name of their check.

    Raises ConfigError when one names no check of the build, with the names that come near, or a
    check that can't be waived.
    """
    by_check = {waiver.check: waiver for waiver in waivers}
    found = {outcome.name: outcome for outcome in outcomes}
    problems = []
    for check in by_check:
        if check not in found:
            why = no_such_check(check, found)
        elif found[check].source == "verification":
            why = "what a concept set rests on can't be waived, it must be verified or mapped"
        else:
            continue
        problems.append(
            f"waiver of the site for '{check}': {why}. Correct `check` in [[waivers]] of the "
            "site's file of waivers, or take the entry out"
        )
    if problems:
        raise ConfigError("\n".join(problems))
    return by_check


def use_of(waiver: Waiver, outcome: Outcome, day: date) -> WaiverUse | str:
    """Return the use of the waiver for the outcome on that day, or why it accepts it not."""
    if day > waiver.until:
        return f"its waiver ended on {waiver.until}"
    if outcome.status is Status.ERROR:
        return "its waiver does not cover a check that could not run"
    if outcome.violations is None or not outcome.denominator:
        return "its waiver accepts a share, and there is none"
    if not share_is_within(outcome.violations, outcome.denominator, waiver.limit):
        return f"its waiver accepts {waiver.limit:.2%} only"
    return WaiverUse(
        **waiver.model_dump(), violations=outcome.violations, denominator=outcome.denominator
    )
