"""A waiver accepts a failing check: up to a share, until a day, and only what was counted."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from pumasi.config import Waiver
from pumasi.errors import ConfigError
from pumasi.quality import (
    Check,
    Listed,
    Need,
    Outcome,
    Purpose,
    Severity,
    Verdict,
    ask,
    check_of,
    could_not_check,
    judge,
    verification_outcomes,
    waiver_state,
)

LAST = date(2026, 12, 31)


def check(name: str, severity: Severity = Severity.ERROR) -> Check:
    return Check(name, name.partition(".")[0], "conformance", severity, "dbt")


GOOD = judge(check("person.good"), 0, 10)
BAD = judge(check("person.bad"), 4, 10)
WARNED = judge(check("person.warned", Severity.WARN), 4, 10)


def waiver(name: str, limit: float = 0.4, until: date = LAST) -> Waiver:
    return Waiver(
        check=name,
        limit=limit,
        responsible="head of the data office",
        reason="mended in the next export",
        until=until,
    )


def asked(
    *outcomes: Outcome,
    waivers: tuple[Waiver, ...],
    needs: tuple[Need, ...] = (),
    day: date = LAST,
    broken: str | None = None,
) -> Verdict:
    return ask(outcomes, broken, Purpose("p", needs), waivers, day)


def test_a_waived_check_closes_nothing_until_its_last_day_and_not_a_day_longer() -> None:
    granted = (waiver("person.bad"),)
    for day in (date(2026, 1, 1), LAST):
        verdict = asked(GOOD, BAD, waivers=granted, day=day)
        assert verdict.reasons == ()
        (use,) = verdict.waived
        assert (use.check, use.violations, use.denominator) == ("person.bad", 4, 10)
    verdict = asked(GOOD, BAD, waivers=granted, day=LAST + timedelta(days=1))
    assert verdict.waived == ()
    assert verdict.reasons == (
        "person.bad: violated by 4 of 10 (40.00%); allowed 0.00%; its waiver ended on 2026-12-31",
    )


def test_a_waiver_of_less_than_is_violated_accepts_nothing_and_says_so() -> None:
    verdict = asked(BAD, waivers=(waiver("person.bad", 0.39),))
    assert verdict.reasons == (
        "person.bad: violated by 4 of 10 (40.00%); allowed 0.00%; its waiver accepts 39.00% only",
    )


def test_a_waiver_accepts_what_a_purpose_needs() -> None:
    needs = (Need("person.warned", limit=0.1),)
    verdict = asked(WARNED, waivers=(waiver("person.warned"),), needs=needs)
    assert (verdict.is_open, len(verdict.waived)) == (True, 1)
    assert asked(WARNED, waivers=(waiver("person.warned"),)).waived == ()
    closed = asked(WARNED, waivers=(waiver("person.warned", 0.3),), needs=needs)
    assert closed.reasons == (
        "p needs person.warned within 10.00%: violated by 4 of 10 (40.00%); allowed 0.00%; its "
        "waiver accepts 30.00% only",
    )


def test_a_waiver_is_used_once_for_a_check_that_fails_and_is_needed() -> None:
    needs = (Need("person.bad", limit=0.0),)
    verdict = asked(BAD, waivers=(waiver("person.bad"),), needs=needs)
    assert (verdict.is_open, len(verdict.waived)) == (True, 1)


def test_a_waiver_of_one_check_leaves_the_others_as_they_are() -> None:
    worse = judge(check("death.worse"), 10, 10)
    verdict = asked(BAD, worse, waivers=(waiver("person.bad"),))
    assert verdict.checks == ("death.worse",)


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        (could_not_check(check("a.b"), "no column x"), "does not cover a check that could not run"),
        (judge(check("a.b"), 0, 0), "accepts a share, and there is none"),
        (judge(check("a.b"), 3, None), "accepts a share, and there is none"),
    ],
)
def test_only_a_share_that_was_counted_can_be_waived(outcome: Outcome, why: str) -> None:
    (reason,) = asked(outcome, waivers=(waiver("a.b", 1.0),)).reasons
    assert reason.endswith(f"; its waiver {why}")


def test_a_needed_check_that_was_not_run_or_had_nothing_to_check_can_t_be_waived() -> None:
    empty = judge(check("death.empty", Severity.WARN), 0, 0, may_be_empty=True)
    needs = (Need("death.empty"), Need("person.unheard_of"))
    verdict = asked(GOOD, empty, waivers=(waiver("death.empty", 1.0),), needs=needs)
    assert verdict.reasons == (
        "p needs death.empty: nothing to check, as declared; its waiver accepts a share, and there "
        "is none",
        "p needs person.unheard_of, which was not run",
    )


def test_a_broken_build_and_an_unchecked_one_can_t_be_waived() -> None:
    granted = (waiver("person.bad"),)
    assert asked(BAD, waivers=granted, broken="read").reasons == ("the build broke at step 'read'",)
    assert asked(waivers=granted).reasons == ("no check has been run on this release",)


def test_a_concept_that_nobody_verified_can_t_be_waived() -> None:
    outcomes = verification_outcomes([Listed("gene", 1, "NV", "GLA")], set(), real=True)
    name = check_of("gene")
    with pytest.raises(ConfigError, match=rf"waiver of the site for '{name}': what a concept set"):
        asked(*outcomes, waivers=(waiver(name, 1.0),), needs=(Need(name),))


def test_a_waiver_of_no_check_of_the_build_names_those_near_it_even_when_it_is_over() -> None:
    with pytest.raises(ConfigError) as caught:
        asked(GOOD, BAD, waivers=(waiver("person.bat"), waiver("era.gap", until=date(2020, 1, 1))))
    first, second = str(caught.value).splitlines()
    assert first == (
        "waiver of the site for 'person.bat': this build has no such check; near it: person.bad, "
        "person.good. Correct `check` in [[waivers]] of the site's file of waivers, or take the "
        "entry out"
    )
    assert "no check of a table named 'era' ran" in second


@pytest.mark.parametrize(
    ("granted", "day", "state"),
    [
        (waiver("person.bad"), LAST, "in force"),
        (waiver("person.bad", 0.1), LAST, "not enough"),
        (waiver("person.good"), LAST, "not needed"),
        (waiver("person.bad"), LAST + timedelta(days=1), "expired"),
    ],
)
def test_a_waiver_has_a_state(granted: Waiver, day: date, state: str) -> None:
    verdict = asked(GOOD, BAD, waivers=(granted,), day=day)
    assert waiver_state(granted, [verdict], day) == state


def test_without_a_release_nothing_is_known_of_a_waiver_but_that_it_is_over() -> None:
    assert waiver_state(waiver("a.b"), [], LAST) == "unknown"
    assert waiver_state(waiver("a.b"), [], LAST + timedelta(days=1)) == "expired"
