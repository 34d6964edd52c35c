"""When the gate is closed, and that every reason is said."""

from __future__ import annotations

import pytest

from pumasi.quality import Check, Purpose, Severity, could_not_check, judge, reasons_closed


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
    assert reasons_closed([GOOD, WARNED], None, Purpose("p", ("person.good",))) == []


@pytest.mark.parametrize(
    ("need", "reason"),
    [
        ("person.warned", "p needs person.warned: violated by 4 of 10 (40.00%); allowed 0.00%"),
        ("death.empty", "p needs death.empty: nothing to check, as declared"),
        ("person.unheard_of", "p needs person.unheard_of, which was not run"),
    ],
)
def test_a_purpose_needs_checks_that_ran_and_passed(need: str, reason: str) -> None:
    purpose = Purpose("p", (need,))

    assert reasons_closed([GOOD, WARNED, EMPTY], None, purpose) == [reason]


def test_a_reason_is_given_once() -> None:
    assert len(reasons_closed([BAD], None, Purpose("p", ("person.bad",)))) == 1
