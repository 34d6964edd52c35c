"""The rule that turns counts into passed, failed or not applicable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumasi.quality import Check, Outcome, Severity, Status, could_not_check, judge, share_is_within


def check(threshold: float = 0.0) -> Check:
    return Check("person.a_rule", "person", "plausibility", Severity.ERROR, "dbt", threshold)


@pytest.mark.parametrize(
    ("violations", "denominator", "threshold", "status", "message"),
    [
        (0, 40, 0.0, Status.PASSED, "violated by 0 of 40 (0.00%); allowed 0.00%"),
        (1, 40, 0.0, Status.FAILED, "violated by 1 of 40 (2.50%); allowed 0.00%"),
        (1, 40, 0.025, Status.PASSED, "violated by 1 of 40 (2.50%); allowed 2.50%"),
        (2, 40, 0.025, Status.FAILED, "violated by 2 of 40 (5.00%); allowed 2.50%"),
        (6471, 6533, 0.99, Status.FAILED, "violated by 6,471 of 6,533 (99.05%); allowed 99.00%"),
        (0, None, 0.0, Status.PASSED, "0 violations"),
        (3, None, 1.0, Status.FAILED, "3 violations"),
        (
            0,
            0,
            0.0,
            Status.FAILED,
            "nothing to check, and it is not declared that there may be nothing",
        ),
    ],
)  # fmt: skip
def test_status_and_message_follow_from_the_counts(
    violations: int, denominator: int | None, threshold: float, status: Status, message: str
) -> None:
    outcome = judge(check(threshold), violations, denominator)

    assert (outcome.status, outcome.message) == (status, message)


def test_nothing_to_check_is_not_applicable_only_when_declared() -> None:
    outcome = judge(check(), 0, 0, may_be_empty=True)

    assert (outcome.status, outcome.message) == (
        Status.NOT_APPLICABLE,
        "nothing to check, as declared",
    )


def test_violations_of_nothing_are_a_failure_even_where_emptiness_is_declared() -> None:
    assert judge(check(), 2, 0, may_be_empty=True).status is Status.FAILED


def test_what_is_spared_passes_whatever_its_share_and_no_more() -> None:
    few = [judge(check(0.01), violations, 5, spared=1).status for violations in (1, 2)]

    assert few == [Status.PASSED, Status.FAILED]


def test_a_check_that_did_not_run_has_no_counts() -> None:
    outcome = could_not_check(check(), "BinderException: no column x")

    assert (outcome.status, outcome.violations, outcome.denominator) == (Status.ERROR, None, None)
    assert outcome.message == "could not be checked: BinderException: no column x"


@given(st.integers(0, 1000), st.integers(1, 1000))
def test_a_limit_written_in_decimals_counts_as_written(thousandths: int, thousands: int) -> None:
    """0.29 * 100 is 28.999999999999996 in binary; 29 of 100 are within 0.29 all the same."""
    limit = thousandths / 1000

    assert share_is_within(thousandths * thousands, 1000 * thousands, limit)
    assert not share_is_within(thousandths * thousands + 1, 1000 * thousands, limit)


def test_an_outcome_survives_json() -> None:
    outcome = judge(check(), 1, 40)

    assert Outcome.from_dict(outcome.to_dict()) == outcome
