"""Suite of cdm_source: what the tables say about themselves."""

from __future__ import annotations

from great_expectations import ExpectationSuite

from expectations.rules import error, suite, warn


def cdm_source() -> ExpectationSuite:
    """One row that names source and vocabulary."""
    table = "cdm_source"
    return suite(
        table,
        error(f"{table}.is_one_row", "conformance", "rows_of_table = 1"),
        warn(
            f"{table}.names_are_stated",
            "completeness",
            "cdm_source_name <> '' and cdm_holder <> '' and vocabulary_version <> ''",
            allowed=0.0,
        ),
    )
