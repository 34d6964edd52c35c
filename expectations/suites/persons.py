"""Suites of the tables that say who is observed and when: person, observation_period, death."""

from __future__ import annotations

from great_expectations import ExpectationSuite

from expectations.rules import INCOMPLETE, error, suite, warn

# OMOP concepts of the Gender domain: male, female.
_KNOWN_GENDERS = "(8507, 8532)"


def person() -> ExpectationSuite:
    """Persons of a known gender."""
    return suite(
        "person",
        warn(
            "person.gender_is_known",
            "completeness",
            f"gender_concept_id in {_KNOWN_GENDERS}",
            allowed=INCOMPLETE,
        ),
    )


def observation_period() -> ExpectationSuite:
    """Periods that end with the extract: time at risk is counted in them."""
    return suite(
        "observation_period",
        error(
            "observation_period.end_is_not_after_extraction",
            "plausibility",
            "observation_period_end_date <= extracted_through",
        ),
    )


def death() -> ExpectationSuite:
    """Deaths at an age that can be."""
    return suite(
        "death",
        warn(
            "death.age_at_death_is_plausible",
            "plausibility",
            "year(death_date) - year(born) <= 120",
        ),
    )
