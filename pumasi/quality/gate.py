"""The gate's rule: when a release may be learned from.

It is asked about the outcomes that were sealed with exactly that build, for a purpose and on a day:
one release may be open for one task and closed for another, and closed again tomorrow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from pumasi.config.waivers import Waiver
from pumasi.quality.judge import share_is_within
from pumasi.quality.outcome import Outcome, Severity, Status
from pumasi.quality.waivers import WaiverUse, use_of, waivers_by_check


@dataclass(frozen=True)
class Need:
    """A check that a purpose depends on.

    `limit` is the share of the denominator that may violate for this purpose, whatever the check or
    the hospital allows otherwise; None means the check's own verdict. With `nothing_passes` the
    need is met as well where the check had nothing to check, as declared.
    """

    check: str
    limit: float | None = None
    nothing_passes: bool = False

    def is_met_by(self, outcome: Outcome) -> bool:
        """Say whether the check was seen to hold; what was not applicable was not seen to."""
        if outcome.status is Status.NOT_APPLICABLE and self.nothing_passes:
            return True
        if self.limit is None or outcome.violations is None or not outcome.denominator:
            return outcome.status is Status.PASSED
        return share_is_within(outcome.violations, outcome.denominator, self.limit)


@dataclass(frozen=True)
class Purpose:
    """What a release is opened for. `needs` are checks that must hold besides the rule.

    A needed check closes the gate for this purpose even when its severity is WARN, and so does one
    that was not applicable: what the purpose depends on was not seen to hold.
    """

    name: str
    needs: tuple[Need, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What the gate says: every reason why it is closed, none meaning open.

    `checks` are the names of the checks among the reasons; `waived` the waivers without which there
    would be more.
    """

    reasons: tuple[str, ...]
    checks: tuple[str, ...] = ()
    waived: tuple[WaiverUse, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether the gate is open."""
        return not self.reasons

    @property
    def state(self) -> str:
        """The word for it: open or closed."""
        return "open" if self.is_open else "closed"


def ask(
    outcomes: Sequence[Outcome],
    broken_step: str | None,
    purpose: Purpose | None,
    waivers: Sequence[Waiver],
    day: date,
) -> Verdict:
    """Ask the gate for a purpose (None: for none in particular) on a day.

    Closed are: a build that broke; a build of which nothing was checked; a failed check of severity
    ERROR; a check of any severity that could not run, because what it would have found is unknown;
    a check that the purpose needs and that doesn't hold. The failures that a waiver accepts on that
    day close nothing.

    Raises ConfigError when a waiver names no check of the build, or one that can't be waived.
    """
    if broken_step is not None:
        return Verdict((f"the build broke at step '{broken_step}'",))
    if not outcomes:
        return Verdict(("no check has been run on this release",))
    granted = waivers_by_check(waivers, outcomes)
    reasons, checks, waived = [], [], []
    for failing in [*_general(outcomes), *_unmet(outcomes, purpose)]:
        waiver = granted.get(failing.check)
        use = use_of(waiver, failing.outcome, day) if waiver and failing.outcome else None
        if isinstance(use, WaiverUse):
            waived.append(use)
        else:
            reasons.append(failing.reason if use is None else f"{failing.reason}; {use}")
            checks.append(failing.check)
    return Verdict(tuple(reasons), tuple(checks), tuple(waived))


def reasons_closed(
    outcomes: Sequence[Outcome],
    broken_step: str | None = None,
    purpose: Purpose | None = None,
) -> list[str]:
    """Return every reason why the gate is closed without a waiver; an empty list means open."""
    return list(ask(outcomes, broken_step, purpose, (), date.min).reasons)


def waiver_state(waiver: Waiver, verdicts: Sequence[Verdict], day: date) -> str:
    """Say what a waiver does on a day, by what the gate says then for every purpose.

    Without a verdict nothing is known of it but that it is over.
    """
    if day > waiver.until:
        return "expired"
    if not verdicts:
        return "unknown"
    if any(waiver.check in verdict.checks for verdict in verdicts):
        return "not enough"
    if any(waiver.check == use.check for verdict in verdicts for use in verdict.waived):
        return "in force"
    return "not needed"


@dataclass(frozen=True)
class _Failing:
    """A check that closes the gate unless it is waived; `outcome` is None if it was not run."""

    check: str
    reason: str
    outcome: Outcome | None


def _general(outcomes: Sequence[Outcome]) -> Iterator[_Failing]:
    for outcome in outcomes:
        if _closes(outcome):
            yield _Failing(outcome.name, f"{outcome.name}: {outcome.message}", outcome)


def _closes(outcome: Outcome) -> bool:
    if outcome.status is Status.ERROR:
        return True
    return outcome.severity is Severity.ERROR and outcome.status is Status.FAILED


def _unmet(outcomes: Sequence[Outcome], purpose: Purpose | None) -> Iterator[_Failing]:
    """What the purpose needs and lacks, but for what closes the gate for everybody."""
    by_name = {outcome.name: outcome for outcome in outcomes}
    if purpose is None:
        return
    for need in purpose.needs:
        outcome = by_name.get(need.check)
        needs = f"{purpose.name} needs {need.check}"
        if outcome is None:
            yield _Failing(need.check, f"{needs}, which was not run", None)
        elif not _closes(outcome) and not need.is_met_by(outcome):
            within = "" if need.limit is None else f" within {need.limit:.2%}"
            yield _Failing(need.check, f"{needs}{within}: {outcome.message}", outcome)
