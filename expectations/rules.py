"""Words to write suites in: a rule's name, severity and allowed share, and the rules of any event.

Shares that are allowed by default are those of OHDSI's DataQualityDashboard for CDM 5.4 (its
threshold tables): 1 % for values and dates that can't be, 5 % for what is missing or unmapped.

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
# An event this long after death is still written down: results, certificates. DQD's 60 days.
DAYS_AFTER_DEATH = 60


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
    """Return a rule that is reported when it is broken by more than the allowed share."""
    return _rule(FailureSeverity.WARNING, check, category, rule, among, allowed, may_lack)


def times_of_an_event(
    table: str, start: str, end: str | None = None, *, may_lack_end: bool = False
) -> list[ExpectRowsToObey]:
    """Return the rules on the dates of a clinical event.

    A date after the extraction is a wrong one, and as a date of knowledge it would be a look into
    the future: an error. Dates before birth or long after death are reported: identities that were
    mixed up, or history told at the source. Of a death only the events of the dead can be judged.
    `may_lack_end` declares that a source may not record when such an event ends.
    """
    rules = [
        error(
            f"{table}.{start}_is_not_after_extraction",
            "plausibility",
            f"{start} <= extracted_through",
            allowed=IMPLAUSIBLE,
        ),
        warn(f"{table}.{start}_is_not_before_birth", "plausibility", f"{start} >= born"),
        warn(
            f"{table}.{start}_is_not_after_death",
            "plausibility",
            f"{start} <= died + {DAYS_AFTER_DEATH}",
            may_lack=True,
        ),
        warn(
            f"{table}.{start}_is_in_observation",
            "completeness",
            f"{start} between observed_from and observed_to",
            allowed=INCOMPLETE,
        ),
    ]
    if end is not None:
        rules.append(
            error(
                f"{table}.{end}_is_not_before_start",
                "plausibility",
                f"{end} >= {start}",
                allowed=IMPLAUSIBLE,
                may_lack=may_lack_end,
            )
        )
    return rules


def concept_is_mapped(
    table: str, column: str, *, among: str = "true", may_lack: bool = False
) -> ExpectRowsToObey:
    """Return the rule that a row's concept is known to the vocabulary, counted in rows."""
    return warn(
        f"{table}.{column}_is_mapped",
        "completeness",
        f"{column} <> 0",
        among=among,
        allowed=INCOMPLETE,
        may_lack=may_lack,
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
        severity=severity,
        meta={"check": check, "category": category, "may_lack": may_lack},
    )
