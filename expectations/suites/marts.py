"""Suites of the marts: whether what studies and tasks read is fit to be read.

Their logic is tested by dbt; here is asked whether the rows of this hospital make sense as a
cohort: ages that can be, dates within what is observed, enough that is known.
"""

from __future__ import annotations

from great_expectations import ExpectationSuite

from expectations.rules import (
    IMPLAUSIBLE,
    INCOMPLETE,
    error,
    split_key_is_in_range,
    suite,
    warn,
)


def asthma__cohort() -> ExpectationSuite:
    """Persons whose asthma begins at an age that can be, within the extract."""
    table = "asthma__cohort"
    return suite(
        table,
        split_key_is_in_range(table),
        error(
            f"{table}.age_is_plausible",
            "plausibility",
            "year(any_asthma_date) - year(born) between 0 and 120",
            allowed=IMPLAUSIBLE,
        ),
        warn(
            f"{table}.any_asthma_date_is_not_after_extraction",
            "plausibility",
            "any_asthma_date <= extracted_through",
            allowed=IMPLAUSIBLE,
        ),
        warn(
            f"{table}.any_asthma_date_is_in_observation",
            "completeness",
            "coalesce(any_asthma_date between observed_from and observed_to, false)",
            allowed=INCOMPLETE,
        ),
    )


def asthma__exacerbations() -> ExpectationSuite:
    """Episodes of a length that can be, within the extract."""
    table = "asthma__exacerbations"
    return suite(
        table,
        split_key_is_in_range(table),
        warn(
            f"{table}.start_is_not_after_extraction",
            "plausibility",
            "episode_start_date <= extracted_through",
            allowed=IMPLAUSIBLE,
        ),
        warn(
            f"{table}.episode_is_at_most_a_year",
            "plausibility",
            "episode_end_date - episode_start_date <= 366",
        ),
        warn(
            f"{table}.start_is_in_observation",
            "completeness",
            "coalesce(episode_start_date between observed_from and observed_to, false)",
            allowed=INCOMPLETE,
        ),
    )


def gi_bleed__new_users() -> ExpectationSuite:
    """New users of a plausible age and known sex, of whom most are observed for the outcome.

    When fewer than half are observed for 365 days, what is learned is about those who stay.
    """
    table = "gi_bleed__new_users"
    return suite(
        table,
        split_key_is_in_range(table),
        error(
            f"{table}.age_at_index_is_plausible",
            "plausibility",
            "age_at_index between 0 and 120",
            allowed=IMPLAUSIBLE,
        ),
        warn(
            f"{table}.index_date_is_not_after_extraction",
            "plausibility",
            "index_date <= extracted_through",
            allowed=IMPLAUSIBLE,
        ),
        warn(
            f"{table}.index_date_is_in_observation",
            "completeness",
            "coalesce(index_date between observed_from and observed_to, false)",
            allowed=INCOMPLETE,
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
            "has_gi_bleed_365 is not null",
            allowed=0.5,
        ),
    )
