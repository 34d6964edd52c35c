"""Suites of the clinical events: visits, conditions, drugs, procedures, measurements, observations.

Dates, mapping, values and units are the catalogue's. Here is what an event must have to be counted
as one: that it was observed, and at which visit.
"""

from __future__ import annotations

from great_expectations import ExpectationSuite

from expectations.rows import ExpectRowsToObey
from expectations.rules import INCOMPLETE, day_is_in_observation, suite, visit_is_known, warn

# Of concept sets fabry_lyso_gb3_test and fabry_enzyme_test; without a unit they are no evidence.
_FABRY_TESTS = "(2000000001, 2000000002, 2000000003, 3004671)"


def visit_occurrence() -> ExpectationSuite:
    """Visits that are observed and end within a year, inpatient ones mostly within 90 days."""
    table = "visit_occurrence"
    return suite(
        table,
        day_is_in_observation(table, "visit_start_date"),
        warn(
            f"{table}.stay_is_at_most_a_year",
            "plausibility",
            "visit_end_date - visit_start_date <= 366",
        ),
        # A hospital of acute care discharges after about a week; one that cares for long says so
        # by a threshold of its own.
        warn(
            f"{table}.inpatient_stay_is_at_most_90_days",
            "plausibility",
            "visit_end_date - visit_start_date <= 90",
            among="visit_concept_id in (9201, 262)",
            allowed=0.05,
            may_lack=True,
        ),
    )


def condition_occurrence() -> ExpectationSuite:
    """Conditions that are observed, at a known visit, by a code that says which."""
    table = "condition_occurrence"
    return _events(
        table,
        "condition_start_date",
        warn(
            f"{table}.code_names_a_disease",
            "conformance",
            # Three characters of ICD-10 or KCD are a category: what is lost is what tells one
            # disease of it from another. Some categories have no parts.
            "length(condition_source_value) > 3",
            among="regexp_full_match(condition_source_value, '[A-Z][0-9]{2}(\\.?[0-9A-Z]+)?')",
            allowed=0.25,
            may_lack=True,
        ),
    )


def drug_exposure() -> ExpectationSuite:
    """Exposures that are observed, at a known visit."""
    return _events("drug_exposure", "drug_exposure_start_date")


def procedure_occurrence() -> ExpectationSuite:
    """Procedures that are observed, at a known visit."""
    return _events("procedure_occurrence", "procedure_date")


def measurement() -> ExpectationSuite:
    """Measurements with a value, and a range that is one."""
    table = "measurement"
    return _events(
        table,
        "measurement_date",
        warn(
            f"{table}.has_a_value",
            "completeness",
            "value_as_number is not null or coalesce(value_as_concept_id, 0) <> 0 "
            "or value_source_value is not null",
            allowed=INCOMPLETE,
        ),
        warn(
            f"{table}.number_has_a_unit",
            "completeness",
            "coalesce(unit_concept_id, 0) <> 0",
            among="value_as_number is not null",
            allowed=INCOMPLETE,
            may_lack=True,
        ),
        warn(
            f"{table}.fabry_test_has_a_unit",
            "completeness",
            "coalesce(unit_concept_id, 0) <> 0",
            among=f"value_as_number is not null and measurement_concept_id in {_FABRY_TESTS}",
            allowed=0.0,
            may_lack=True,
        ),
        warn(
            f"{table}.range_is_in_order",
            "plausibility",
            "range_low <= range_high",
            may_lack=True,
        ),
    )


def observation() -> ExpectationSuite:
    """Observations that are observed, at a known visit."""
    return _events("observation", "observation_date")


def _events(table: str, day: str, *more: ExpectRowsToObey) -> ExpectationSuite:
    return suite(table, day_is_in_observation(table, day), *more, visit_is_known(table))
