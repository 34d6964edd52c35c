"""The gate's rule: when a release may be learned from.

It is asked about the outcomes that were sealed with exactly that build, for a purpose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pumasi.quality.outcome import Outcome, Severity, Status


@dataclass(frozen=True)
class Purpose:
    """What a release is opened for. `needs` names checks that must have passed besides the rule.

    A needed check closes the gate for this purpose even when its severity is WARN, and so does one
    that was not applicable: what the purpose depends on was not seen to hold.
    """

    name: str
    needs: tuple[str, ...] = ()


def reasons_closed(
    outcomes: Sequence[Outcome],
    broken_step: str | None = None,
    purpose: Purpose | None = None,
) -> list[str]:
    """Return every reason why the gate is closed; an empty list means open.

    Closed are: a build that broke; a build of which nothing was checked; a failed check of severity
    ERROR; a check of any severity that could not run, because what it would have found is unknown;
    a check that the purpose needs and that didn't pass.
    """
    if broken_step is not None:
        return [f"the build broke at step '{broken_step}'"]
    if not outcomes:
        return ["no check has been run on this release"]
    general = [f"{o.name}: {o.message}" for o in outcomes if _closes(o)]
    return general + ([] if purpose is None else _unmet(outcomes, purpose))


def _closes(outcome: Outcome) -> bool:
    if outcome.status is Status.ERROR:
        return True
    return outcome.severity is Severity.ERROR and outcome.status is Status.FAILED


def _unmet(outcomes: Sequence[Outcome], purpose: Purpose) -> list[str]:
    by_name = {outcome.name: outcome for outcome in outcomes}
    reasons = []
    for need in purpose.needs:
        outcome = by_name.get(need)
        if outcome is None:
            reasons.append(f"{purpose.name} needs {need}, which was not run")
        elif outcome.status is not Status.PASSED and not _closes(outcome):
            reasons.append(f"{purpose.name} needs {need}: {outcome.message}")
    return reasons
