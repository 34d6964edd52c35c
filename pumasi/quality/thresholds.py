"""What a hospital accepts: thresholds of its configuration in the place of a check's own.

A threshold names one check, the share that may violate it, why, and since when. One that names no
check is an error, because a slip of the pen would otherwise accept nothing and say nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from pumasi.config.site import Threshold
from pumasi.errors import ConfigError
from pumasi.quality.judge import judge
from pumasi.quality.names import no_such_check
from pumasi.quality.outcome import Check, Outcome, Status


def apply_thresholds(outcomes: Sequence[Outcome], thresholds: Iterable[Threshold]) -> list[Outcome]:
    """Judge again the outcomes that a threshold names; the others are returned as they are.

    `outcomes` must be all outcomes of the build. Raises ConfigError when a threshold names none of
    them, with the names that come near.
    """
    by_check = {threshold.check: threshold for threshold in thresholds}
    names = {outcome.name for outcome in outcomes}
    unknown = [check for check in by_check if check not in names]
    if unknown:
        raise ConfigError("\n".join(_unknown(check, names) for check in unknown))
    return [
        _judged_again(outcome, by_check[outcome.name]) if outcome.name in by_check else outcome
        for outcome in outcomes
    ]


def _judged_again(outcome: Outcome, threshold: Threshold) -> Outcome:
    accepted = f"accepted since {threshold.decided}: {threshold.reason}"
    # What could not be counted, or had nothing to check, is no better by a higher limit.
    if outcome.violations is None or outcome.status is Status.NOT_APPLICABLE:
        return replace(outcome, threshold=threshold.limit)
    check = Check(
        name=outcome.name,
        table=outcome.table,
        category=outcome.category,
        severity=outcome.severity,
        source=outcome.source,
        threshold=threshold.limit,
    )
    again = judge(check, outcome.violations, outcome.denominator)
    return replace(again, message=f"{again.message} ({accepted})")


def _unknown(check: str, names: set[str]) -> str:
    return (
        f"threshold of the site for '{check}': {no_such_check(check, names)}. "
        "Correct `check` in [[thresholds]] of the site's file, or take the entry out"
    )
