"""Suites of the tables that say who is observed and when: person, observation_period, death."""

from __future__ import annotations

from great_expectations import ExpectationSuite

from expectations.rules import DAYS_AFTER_DEATH, IMPLAUSIBLE, INCOMPLETE, error, suite, warn

# OMOP concepts of the Gender domain: male, female.
_KNOWN_GENDERS = "(8507, 8532)"


def person() -> ExpectationSuite:
    """Persons of a known gender and a birth that can be, who are observed at some time."""
    return suite(
        "person",
        error(
            "person.year_of_birth_is_plausible",
            "plausibility",
            "year_of_birth between 1900 and year(extracted_through)",
            allowed=IMPLAUSIBLE,
        ),
        error(
            "person.month_of_birth_is_a_month",
            "conformance",
            "month_of_birth between 1 and 12",
            may_lack=True,
        ),
        warn(
            "person.gender_is_known",
            "completeness",
            f"gender_concept_id in {_KNOWN_GENDERS}",
            allowed=INCOMPLETE,
        ),
        warn(
            "person.has_an_observation_period",
            "completeness",
            "observed_from is not null",
            allowed=INCOMPLETE,
        ),
    )


def observation_period() -> ExpectationSuite:
    """Periods of real time that end with the extract and don't overlap within a person.

    Time at risk is counted in them: what is wrong here is wrong in every rate and every label.
    """
    table = "observation_period"
    start, end = f"{table}_start_date", f"{table}_end_date"
    return suite(
        table,
        error(f"{table}.end_is_not_before_start", "conformance", f"{end} >= {start}"),
        error(
            f"{table}.periods_do_not_overlap",
            "conformance",
            f"{start} > previous_end",
            may_lack=True,
        ),
        error(
            f"{table}.end_is_not_after_extraction", "plausibility", f"{end} <= extracted_through"
        ),
        warn(f"{table}.start_is_not_before_birth", "plausibility", f"{start} >= born"),
        warn(
            f"{table}.end_is_not_after_death",
            "plausibility",
            f"{end} <= died + {DAYS_AFTER_DEATH}",
            may_lack=True,
        ),
    )


def death() -> ExpectationSuite:
    """Deaths after birth, at an age that can be, and none after the extraction."""
    return suite(
        "death",
        error(
            "death.death_date_is_not_before_birth",
            "plausibility",
            "death_date >= born",
            allowed=IMPLAUSIBLE,
        ),
        error(
            "death.death_date_is_not_after_extraction",
            "plausibility",
            "death_date <= extracted_through",
            allowed=IMPLAUSIBLE,
        ),
        warn(
            "death.age_at_death_is_plausible",
            "plausibility",
            "year(death_date) - year(born) <= 120",
        ),
    )
