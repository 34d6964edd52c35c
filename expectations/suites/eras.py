"""Suites of the eras, which are computed: what is wrong here is wrong in the computation."""

from __future__ import annotations

from great_expectations import ExpectationSuite

from expectations.rows import ExpectRowsToObey
from expectations.rules import error, suite, warn


def condition_era() -> ExpectationSuite:
    """Eras made of at least one occurrence, of a known concept, that end after they begin."""
    table = "condition_era"
    return suite(
        table,
        *_an_era(table, "condition_occurrence_count"),
        error(f"{table}.concept_is_known", "conformance", "coalesce(condition_concept_id, 0) <> 0"),
    )


def drug_era() -> ExpectationSuite:
    """Eras made of at least one exposure to a known ingredient, with gaps shorter than the era."""
    table = "drug_era"
    return suite(
        table,
        *_an_era(table, "drug_exposure_count"),
        error(f"{table}.concept_is_known", "conformance", "coalesce(drug_concept_id, 0) <> 0"),
        error(
            f"{table}.gaps_fit_into_the_era",
            "conformance",
            "gap_days between 0 and drug_era_end_date - drug_era_start_date",
        ),
    )


def _an_era(table: str, count: str) -> list[ExpectRowsToObey]:
    start, end = f"{table}_start_date", f"{table}_end_date"
    return [
        error(f"{table}.end_is_not_before_start", "conformance", f"{end} >= {start}"),
        error(f"{table}.is_made_of_something", "conformance", f"{count} >= 1"),
        warn(f"{table}.start_is_not_before_birth", "plausibility", f"{start} >= born"),
    ]
