"""Suites of the clinical events: visits, conditions, drugs, procedures, measurements, observations.

All of them promise dates that can be, and report how much is mapped, observed and tied to a visit.
"""

from __future__ import annotations

from great_expectations import ExpectationSuite

from expectations.rules import (
    INCOMPLETE,
    concept_is_mapped,
    suite,
    times_of_an_event,
    visit_is_known,
    warn,
)


def visit_occurrence() -> ExpectationSuite:
    """Visits that end after they begin, within a year, and of a known kind."""
    table = "visit_occurrence"
    return suite(
        table,
        *times_of_an_event(table, "visit_start_date", "visit_end_date"),
        warn(
            f"{table}.stay_is_at_most_a_year",
            "plausibility",
            "visit_end_date - visit_start_date <= 366",
        ),
        concept_is_mapped(table, "visit_concept_id"),
    )


def condition_occurrence() -> ExpectationSuite:
    """Conditions with dates that can be; reports those without a standard concept."""
    table = "condition_occurrence"
    return suite(
        table,
        *times_of_an_event(table, "condition_start_date", "condition_end_date", may_lack_end=True),
        concept_is_mapped(table, "condition_concept_id"),
        visit_is_known(table),
    )


def drug_exposure() -> ExpectationSuite:
    """Exposures with dates, supply and refills that can be. Ranges are those of DQD."""
    table = "drug_exposure"
    return suite(
        table,
        *times_of_an_event(table, "drug_exposure_start_date", "drug_exposure_end_date"),
        warn(
            f"{table}.days_supply_is_plausible",
            "plausibility",
            "days_supply between 0 and 365",
            may_lack=True,
        ),
        warn(
            f"{table}.refills_are_plausible",
            "plausibility",
            "refills between 0 and 24",
            may_lack=True,
        ),
        warn(
            f"{table}.quantity_is_not_negative",
            "plausibility",
            "quantity >= 0",
            may_lack=True,
        ),
        concept_is_mapped(table, "drug_concept_id"),
        visit_is_known(table),
    )


def procedure_occurrence() -> ExpectationSuite:
    """Procedures with dates that can be; reports those without a standard concept."""
    table = "procedure_occurrence"
    return suite(
        table,
        *times_of_an_event(table, "procedure_date", "procedure_end_date", may_lack_end=True),
        concept_is_mapped(table, "procedure_concept_id"),
        visit_is_known(table),
    )


def measurement() -> ExpectationSuite:
    """Measurements with a date and a value, a unit for a number, and a range that is one."""
    table = "measurement"
    return suite(
        table,
        *times_of_an_event(table, "measurement_date"),
        warn(
            f"{table}.has_a_value",
            "completeness",
            "value_as_number is not null or coalesce(value_as_concept_id, 0) <> 0 "
            "or value_source_value is not null",
            allowed=INCOMPLETE,
        ),
        concept_is_mapped(
            table, "unit_concept_id", among="value_as_number is not null", may_lack=True
        ),
        warn(
            f"{table}.range_is_in_order",
            "plausibility",
            "range_low <= range_high",
            may_lack=True,
        ),
        concept_is_mapped(table, "measurement_concept_id"),
        visit_is_known(table),
    )


def observation() -> ExpectationSuite:
    """Observations with dates that can be; reports those without a standard concept."""
    table = "observation"
    return suite(
        table,
        *times_of_an_event(table, "observation_date"),
        concept_is_mapped(table, "observation_concept_id"),
        visit_is_known(table),
    )
