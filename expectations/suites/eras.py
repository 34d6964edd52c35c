"""Suites of the eras, which are computed: what is wrong here is wrong in the computation."""

from __future__ import annotations

from great_expectations import ExpectationSuite

from expectations.rows import ExpectRowsToObey
from expectations.rules import error, suite


def condition_era() -> ExpectationSuite:
    """Eras made of at least one occurrence."""
    return suite("condition_era", _is_made_of_something("condition_era", "condition_occurrence"))


def drug_era() -> ExpectationSuite:
    """Eras made of at least one exposure, with gaps shorter than the era."""
    return suite(
        "drug_era",
        _is_made_of_something("drug_era", "drug_exposure"),
        error(
            "drug_era.gaps_fit_into_the_era",
            "conformance",
            "gap_days between 0 and drug_era_end_date - drug_era_start_date",
        ),
    )


def _is_made_of_something(table: str, part: str) -> ExpectRowsToObey:
    return error(f"{table}.is_made_of_something", "conformance", f"{part}_count >= 1")
