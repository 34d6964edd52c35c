"""When the gate is closed, and that every reason is said."""

from __future__ import annotations

from datetime import date

import pytest

from pumasi.quality import (
    Check,
    Need,
    Purpose,
    Severity,
    ask,
    could_not_check,
    judge,
    reasons_closed,
)


def check(name: str, severity: Severity = Severity.ERROR) -> Check:
    return Check(name, name.partition(".")[0], "conformance", severity, "dbt")


GOOD = judge(check("person.good"), 0, 10)
BAD = judge(check("person.bad"), 4, 10)
WARNED = judge(check("person.warned", Severity.WARN), 4, 10)
EMPTY = judge(check("death.empty"), 0, 0, may_be_empty=True)
UNRUN = could_not_check(check("person.unrun", Severity.WARN), "no column x")


def test_open_when_nothing_of_severity_error_failed() -> None:
    assert reasons_closed([GOOD, WARNED, EMPTY]) == []


def test_nothing_checked_is_closed() -> None:
    assert reasons_closed([]) == ["no check has been run on this release"]


def test_a_broken_build_is_closed_whatever_was_checked() -> None:
    assert reasons_closed([GOOD], "transform") == ["the build broke at step 'transform'"]


def test_every_failed_error_check_is_a_reason() -> None:
    worse = judge(check("death.worse"), 10, 10)

    assert reasons_closed([GOOD, BAD, WARNED, worse]) == [
        "person.bad: violated by 4 of 10 (40.00%); allowed 0.00%",
        "death.worse: violated by 10 of 10 (100.00%); allowed 0.00%",
    ]


def test_a_check_that_could_not_run_closes_even_when_it_only_warns() -> None:
    assert reasons_closed([GOOD, UNRUN]) == ["person.unrun: could not be checked: no column x"]


def test_a_purpose_whose_needs_passed_is_open() -> None:
    assert reasons_closed([GOOD, WARNED], None, Purpose("p", (Need("person.good"),))) == []


@pytest.mark.parametrize(
    ("need", "reason"),
    [
        ("person.warned", "p needs person.warned: violated by 4 of 10 (40.00%); allowed 0.00%"),
        ("death.empty", "p needs death.empty: nothing to check, as declared"),
        ("person.unheard_of", "p needs person.unheard_of, which was not run"),
    ],
)
def test_a_purpose_needs_checks_that_ran_and_passed(need: str, reason: str) -> None:
    purpose = Purpose("p", (Need(need),))

    assert reasons_closed([GOOD, WARNED, EMPTY], None, purpose) == [reason]


def test_a_reason_is_given_once() -> None:
    assert len(reasons_closed([BAD], None, Purpose("p", (Need("person.bad"),)))) == 1


@pytest.mark.parametrize(
    ("limit", "is_open"), [(None, False), (0.0, False), (0.39, False), (0.4, True), (1.0, True)]
)
def test_a_purpose_may_ask_for_more_or_less_than_the_check_does(
    limit: float | None, is_open: bool
) -> None:
    purpose = Purpose("p", (Need("person.warned", limit),))
    assert (reasons_closed([GOOD, WARNED], None, purpose) == []) is is_open


def test_one_release_is_open_for_one_purpose_and_closed_for_another() -> None:
    lenient = Check("lab.unit_is_known", "lab", "conformance", Severity.WARN, "dbt", threshold=0.05)
    outcomes = [GOOD, judge(lenient, 3, 100)]
    asthma = Purpose("asthma", (Need("lab.unit_is_known"),))
    fabry = Purpose("fabry", (Need("lab.unit_is_known", limit=0.0),))
    assert reasons_closed(outcomes, None, asthma) == []
    assert reasons_closed(outcomes, None, fabry) == [
        "fabry needs lab.unit_is_known within 0.00%: violated by 3 of 100 (3.00%); allowed 5.00%"
    ]
    verdict = ask(outcomes, None, fabry, (), date(2026, 3, 1))
    assert (verdict.state, verdict.checks) == ("closed", ("lab.unit_is_known",))


@pytest.mark.parametrize("name", ["death.empty", "death.missing"])
def test_a_limit_is_no_pass_where_nothing_was_checked(name: str) -> None:
    missing = judge(check("death.missing", Severity.WARN), 0, 0)
    purpose = Purpose("p", (Need(name, limit=1.0),))
    (reason,) = reasons_closed([GOOD, EMPTY, missing], None, purpose)
    assert reason.startswith(f"p needs {name} within 100.00%: nothing to check")


def test_a_limit_asks_for_no_violation_where_the_number_of_rows_is_not_known() -> None:
    purpose = Purpose("p", (Need("person.unknown", limit=0.5),))
    unknown = check("person.unknown", Severity.WARN)
    assert reasons_closed([judge(unknown, 0, None)], None, purpose) == []
    assert len(reasons_closed([judge(unknown, 1, None)], None, purpose)) == 1
