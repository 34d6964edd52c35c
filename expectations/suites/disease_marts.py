"""Suites of the marts on Fabry disease, asthma treatment, comorbidity and comedication.

As for the other marts: dbt tests their logic, and here is asked whether the rows of this hospital
make sense. An index may lie after the extract by design (it follows the last visit by up to a
year, and its outcome is null), so that its day is not judged; its person and its outcome are.
"""

from __future__ import annotations

from great_expectations import ExpectationSuite

from expectations.rows import ExpectRowsToObey
from expectations.rules import (
    IMPLAUSIBLE,
    INCOMPLETE,
    error,
    split_key_is_in_range,
    suite,
    warn,
)


def core__charlson() -> ExpectationSuite:
    """Comorbidities that are known by the end of the extract."""
    return _suite_of_days("core__charlson", "known_date")


def core__comedication() -> ExpectationSuite:
    """Episodes that begin by the end of the extract."""
    return _suite_of_days("core__comedication", "episode_start_date")


def fabry__kidney_course() -> ExpectationSuite:
    """Values that can be, in the unit that they are said to have, and an eGFR of every adult's."""
    table = "fabry__kidney_course"
    return _suite_of_days(
        table,
        "measured_date",
        warn(
            f"{table}.creatinine_is_plausible",
            "plausibility",
            # Below, a unit was mistaken or a specimen was none; above, nobody lives.
            "creatinine between 0.1 and 30",
            may_lack=True,
        ),
        warn(
            f"{table}.egfr_is_known",
            "completeness",
            "egfr is not null",
            among="creatinine is not null and age_at_measurement >= 18",
            allowed=INCOMPLETE,
            may_lack=True,
        ),
    )


def fabry__evidence() -> ExpectationSuite:
    """Evidence from within the extract."""
    return _suite_of_days("fabry__evidence", "event_date")


def fabry__cohort() -> ExpectationSuite:
    """Persons who were suspected within the extract."""
    return _suite_of_days("fabry__cohort", "suspicion_date")


def fabry__screening_features() -> ExpectationSuite:
    """Persons of a plausible age and known sex, of whom some are observed for five years."""
    table = "fabry__screening_features"
    return suite(
        table, split_key_is_in_range(table), *_persons_at_index(table, "has_fabry_5y", 0.9)
    )


def asthma__treatment_episodes() -> ExpectationSuite:
    """Episodes that begin by the end of the extract; a GINA step may follow it, as an index may."""
    return _suite_of_days(
        "asthma__treatment_episodes", "episode_start_date", among="kind <> 'gina_step'"
    )


def asthma__risk_features() -> ExpectationSuite:
    """Persons of a plausible age and known sex, of whom most are observed for a year."""
    table = "asthma__risk_features"
    # One row a person and year: persons who are seen often have more of the others.
    a_year = "is_yearly_index"
    return suite(
        table,
        split_key_is_in_range(table),
        *_persons_at_index(table, "has_exacerbation_12m", 0.5),
        warn(
            f"{table}.a_controller_is_used",
            "completeness",
            "uses_ics or uses_biologic or uses_maintenance_steroid",
            among=a_year,
            # Where hardly anybody has one, prescriptions are missing or not understood.
            allowed=0.95,
            may_lack=True,
        ),
        warn(
            f"{table}.eosinophils_of_the_year_are_known",
            "completeness",
            "eosinophils_are_known",
            among=a_year,
            allowed=0.9,
            may_lack=True,
        ),
        warn(
            f"{table}.eosinophils_are_plausible",
            "plausibility",
            # Per microlitre: fractions are counts in thousands, more is seen in leukaemia only.
            "last_eosinophils = 0 or last_eosinophils between 1 and 20000",
            may_lack=True,
        ),
    )


def _suite_of_days(
    table: str, day: str, *more: ExpectRowsToObey, among: str = "true"
) -> ExpectationSuite:
    return suite(
        table,
        split_key_is_in_range(table),
        warn(
            f"{table}.{day}_is_not_after_extraction",
            "plausibility",
            f"{day} <= extracted_through",
            among=among,
            allowed=IMPLAUSIBLE,
        ),
        *more,
    )


def _persons_at_index(table: str, outcome: str, unobserved: float) -> list[ExpectRowsToObey]:
    return [
        error(
            f"{table}.age_at_index_is_plausible",
            "plausibility",
            "age_at_index between 0 and 120",
            allowed=IMPLAUSIBLE,
        ),
        warn(
            f"{table}.sex_is_known",
            "completeness",
            "is_female is not null",
            allowed=INCOMPLETE,
        ),
        warn(
            f"{table}.outcome_is_observed",
            "completeness",
            f"{outcome} is not null",
            allowed=unobserved,
        ),
    ]
