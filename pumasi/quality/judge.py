"""The rule that turns counts into passed, failed or not applicable."""

from __future__ import annotations

from fractions import Fraction

from pumasi.quality.outcome import Check, Outcome, Status


def share_is_within(violations: int, denominator: int, limit: float) -> bool:
    """Say whether `violations` is at most `limit` of `denominator`, exactly.

    The limit counts as the decimal that was written: 29 of 100 are within 0.29, although the
    binary number 0.29 times 100 is less than 29.
    """
    return violations <= Fraction(str(limit)) * denominator


def judge(
    check: Check,
    violations: int,
    denominator: int | None,
    *,
    may_be_empty: bool = False,
    spared: int = 0,
) -> Outcome:
    """Return the outcome of a check that ran.

    So many violations as are `spared` pass whatever their share: of few rows one is soon more than
    any share that is allowed.

    Nothing to check is never a pass: a zero denominator is not applicable when the emptiness was
    declared, else failed. Without a known denominator no share exists and any violation fails.
    """
    if denominator is None:
        status = Status.FAILED if violations else Status.PASSED
    elif denominator == 0:
        status = Status.NOT_APPLICABLE if may_be_empty and not violations else Status.FAILED
    elif violations <= spared or share_is_within(violations, denominator, check.threshold):
        status = Status.PASSED
    else:
        status = Status.FAILED
    return _outcome(
        check,
        status,
        _message(violations, denominator, check.threshold, status),
        violations,
        denominator,
    )


def could_not_check(check: Check, cause: str) -> Outcome:
    """Return the outcome of a check that didn't run. `cause` must hold no value of a row."""
    return _outcome(check, Status.ERROR, f"could not be checked: {cause}", None, None)


def _outcome(
    check: Check, status: Status, message: str, violations: int | None, denominator: int | None
) -> Outcome:
    return Outcome(
        name=check.name,
        table=check.table,
        category=check.category,
        violations=violations,
        denominator=denominator,
        threshold=check.threshold,
        severity=check.severity,
        status=status,
        message=message,
        source=check.source,
    )


def _message(violations: int, denominator: int | None, threshold: float, status: Status) -> str:
    if denominator is None:
        return f"{violations:,} violations"
    if denominator == 0 and status is Status.NOT_APPLICABLE:
        return "nothing to check, as declared"
    if denominator == 0:
        return "nothing to check, and it is not declared that there may be nothing"
    share = f"{violations:,} of {denominator:,} ({violations / denominator:.2%})"
    return f"violated by {share}; allowed {threshold:.2%}"
