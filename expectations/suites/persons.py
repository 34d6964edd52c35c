"""Suites of the tables that say who is observed and when: person, observation_period, death."""

from __future__ import annotations

from great_expectations import ExpectationSuite

from expectations.rules import INCOMPLETE, suite, warn

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
    """Periods at all: without them nobody is at risk of anything."""
    return suite("observation_period")


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
