"""A site's thresholds stand in for a check's own, by name, with reason and date."""

from __future__ import annotations

from datetime import date

import pytest

from pumasi.config import Threshold
from pumasi.errors import ConfigError
from pumasi.quality import (
    Check,
    Outcome,
    Severity,
    Status,
    apply_thresholds,
    could_not_check,
    judge,
)


def outcome(name: str, violations: int = 99, denominator: int = 100) -> Outcome:
    return judge(check(name), violations, denominator)


def check(name: str) -> Check:
    return Check(name, name.partition(".")[0], "conformance", Severity.ERROR, "conservation")


def threshold(name: str, limit: float = 0.995) -> Threshold:
    return Threshold(
        check=name, limit=limit, reason="visits were not exported", decided=date(2026, 2, 1)
    )


def test_a_known_defect_is_accepted_with_its_reason() -> None:
    visits, persons = outcome("condition_occurrence.visit_is_delivered"), outcome("person.x", 0)

    accepted, untouched = apply_thresholds(
        [visits, persons], [threshold("condition_occurrence.visit_is_delivered")]
    )

    assert untouched is persons
    assert accepted.status is Status.PASSED
    assert accepted.threshold == 0.995
    assert accepted.message == (
        "violated by 99 of 100 (99.00%); allowed 99.50% (accepted since 2026-02-01: visits were "
        "not exported)"
    )


def test_more_than_what_was_accepted_fails() -> None:
    (found,) = apply_thresholds([outcome("death.a", 100)], [threshold("death.a")])

    assert found.status is Status.FAILED


def test_a_site_may_be_stricter_than_the_check() -> None:
    lenient = Check("death.a", "death", "plausibility", Severity.WARN, "dbt", threshold=0.5)
    (found,) = apply_thresholds([judge(lenient, 40, 100)], [threshold("death.a", 0.1)])

    assert (found.status, found.severity) == (Status.FAILED, Severity.WARN)


def test_what_could_not_be_checked_stays_an_error() -> None:
    broken = could_not_check(check("death.a"), "no column x")

    assert apply_thresholds([broken], [threshold("death.a")])[0].status is Status.ERROR


def test_what_was_empty_stays_what_it_was() -> None:
    empty = judge(check("death.a"), 0, 0, may_be_empty=True)
    missing = judge(check("death.b"), 0, 0)

    found = apply_thresholds([empty, missing], [threshold("death.a"), threshold("death.b")])

    assert [each.status for each in found] == [Status.NOT_APPLICABLE, Status.FAILED]


def test_a_threshold_for_no_check_names_those_near_it() -> None:
    outcomes = [
        outcome("condition_occurrence.visit_is_delivered"),
        outcome("condition_occurrence.person_is_delivered"),
        outcome("death.date_is_present"),
    ]

    with pytest.raises(ConfigError) as caught:
        apply_thresholds(
            outcomes,
            [threshold("condition_occurrence.visits_is_delivered"), threshold("era.gap")],
        )
    first, second = str(caught.value).splitlines()
    assert first == (
        "threshold of the site for 'condition_occurrence.visits_is_delivered': this build has no "
        "such check; near it: condition_occurrence.visit_is_delivered, "
        "condition_occurrence.person_is_delivered. Correct `check` in [[thresholds]] of the "
        "site's file, or take the entry out"
    )
    assert "no check of a table named 'era' ran" in second
