"""Words to write suites in: a rule's name, severity and allowed share, and the rules of any event.

A suite holds what the catalogue (`pumasi.quality.catalogue`) has not: no rule is written twice.
Shares that are allowed by default are those that OHDSI's DataQualityDashboard has for most of its
checks: 1 % for values and dates that can't be, 5 % for what is missing or unmapped.

A share is of the rows that a rule judges. What can't be said of a row (a date that is missing, a
person who hasn't died) takes it out of the denominator, except where the rule asks whether
something is there: a rule of completeness that is null of a row is broken by it.
"""

from __future__ import annotations

from great_expectations import ExpectationSuite
from great_expectations.expectations.metadata_types import FailureSeverity

from expectations.rows import ExpectRowsToObey
from pumasi.quality import Category

IMPLAUSIBLE = 0.01
INCOMPLETE = 0.05


def suite(table: str, *expectations: ExpectRowsToObey) -> ExpectationSuite:
    """Return the suite of a table; every table is expected to have rows."""
    has_rows = error(f"{table}.has_rows", "completeness", "true")
    return ExpectationSuite(name=table, expectations=[has_rows, *expectations])


def error(
    check: str,
    category: Category,
    rule: str,
    *,
    among: str = "true",
    allowed: float = 0.0,
    may_lack: bool = False,
) -> ExpectRowsToObey:
    """Return a rule that closes the gate when it is broken by more than the allowed share.

    `may_lack` declares that a source may have no row that the rule judges; elsewhere that fails.
    """
    return _rule(FailureSeverity.CRITICAL, check, category, rule, among, allowed, may_lack)


def warn(
    check: str,
    category: Category,
    rule: str,
    *,
    among: str = "true",
    allowed: float = IMPLAUSIBLE,
    may_lack: bool = False,
) -> ExpectRowsToObey:
    """Return a rule that is reported when it is broken by more than the allowed share.

    One row alone is no share: where some are allowed, it is not reported, however few there are.
    """
    return _rule(FailureSeverity.WARNING, check, category, rule, among, allowed, may_lack)


def day_is_in_observation(table: str, day: str) -> ExpectRowsToObey:
    """Return the rule that an event lies within what is observed of its person."""
    return warn(
        f"{table}.{day}_is_in_observation",
        "completeness",
        f"{day} between observed_from and observed_to",
        allowed=INCOMPLETE,
    )


def visit_is_known(table: str) -> ExpectRowsToObey:
    """Return the rule that an event names the visit at which it was recorded."""
    return warn(
        f"{table}.visit_is_known",
        "completeness",
        "visit_occurrence_id is not null",
        allowed=INCOMPLETE,
    )


def split_key_is_in_range(table: str) -> ExpectRowsToObey:
    """Return the rule that the split key is one of 0..99."""
    return error(f"{table}.split_key_is_in_range", "conformance", "split_key between 0 and 99")


def _rule(
    severity: FailureSeverity,
    check: str,
    category: Category,
    rule: str,
    among: str,
    allowed: float,
    may_lack: bool,
) -> ExpectRowsToObey:
    return ExpectRowsToObey(
        # What isn't there can't be shown to be as it should.
        rule=f"coalesce({rule}, false)" if category == "completeness" else rule,
        among=among,
        allowed_share=allowed,
        spared=int(severity is FailureSeverity.WARNING and allowed > 0),
        severity=severity,
        meta={"check": check, "category": category, "may_lack": may_lack},
    )
