"""A gap, a cut end and a silent test are found in the first release; growth is none of them."""

from __future__ import annotations

import pytest

from pumasi.quality import Outcome, Severity, Status
from pumasi.quality.series import series_outcomes
from tests.quality.record import CREATININE, characterised, record

VISITS = "visit_occurrence.no_month_is_missing"
SILENT = "measurement.no_test_fell_silent"


def outcomes(*changes: str, months: int = 36, persons: int = 200) -> dict[str, Outcome]:
    found = series_outcomes(characterised(record(months, persons), *changes))
    return {outcome.name: outcome for outcome in found}


def without(months: str) -> str:
    return f"delete from visit_occurrence where strftime(visit_start_date, '%Y-%m') {months}"


def test_a_whole_record_has_no_missing_month() -> None:
    found = outcomes()
    for name in (VISITS, "measurement.no_month_is_missing"):
        assert (found[name].violations, found[name].denominator) == (0, 35)
        assert found[name].status is Status.PASSED
    assert {outcome.severity for outcome in found.values()} == {Severity.WARN}
    assert (found[SILENT].violations, found[SILENT].denominator) == (0, 1)
    assert "death.no_month_is_missing" not in found


@pytest.mark.parametrize(
    ("gone", "named"),
    [
        ("= '2021-05'", "2021-05"),
        ("between '2021-05' and '2021-06'", "2021-05, 2021-06"),
        ("= '2022-12'", "2022-12"),
        ("= '2021-05' and person_id % 3 > 0", "2021-05"),
        ("= '2022-12' and day(visit_start_date) > 9", "2022-12"),
    ],
)
def test_a_month_that_is_missing_or_cut_is_named(gone: str, named: str) -> None:
    outcome = outcomes(without(gone))[VISITS]
    assert outcome.status is Status.FAILED
    assert outcome.message.endswith(f"months: {named}")


def test_a_gap_of_seven_months_does_not_hide_itself() -> None:
    outcome = outcomes(without("between '2021-03' and '2021-09'"))[VISITS]
    assert outcome.status is Status.FAILED
    assert "2021-06" in outcome.message


def test_a_record_that_stops_long_before_the_extract_ends_is_seen_of_few_persons_too() -> None:
    outcome = outcomes(without("> '2021-03'"), persons=50)[VISITS]
    assert (outcome.violations, outcome.denominator) == (21, 21)
    assert outcome.message.endswith(
        "months: 2021-04, 2021-05, 2021-06, 2021-07, 2021-08, 2021-09 and 15 more"
    )


def test_a_month_of_two_thirds_and_a_record_that_grows_or_fades_are_no_gap() -> None:
    assert outcomes(without("= '2021-05' and person_id % 3 = 0"))[VISITS].status is Status.PASSED
    grows = without(
        "<> '' and person_id > 3 * date_diff('month', date '2019-12-01', visit_start_date) ** 1.5"
    )
    assert outcomes(grows, persons=600)[VISITS].status is Status.PASSED


def test_few_persons_are_not_judged() -> None:
    outcome = outcomes(persons=50)[VISITS]
    assert outcome.status is Status.NOT_APPLICABLE
    assert outcome.message == "nothing to check: no month with enough persons around it"


@pytest.mark.parametrize(
    ("persons", "present", "status"),
    [
        (100, 49, Status.FAILED),
        (100, 50, Status.PASSED),
        (80, 23, Status.FAILED),
        (80, 25, Status.PASSED),
        (52, 1, Status.FAILED),
        (52, 2, Status.PASSED),
    ],
)
def test_of_fewer_persons_more_of_a_month_must_be_gone(
    persons: int, present: int, status: Status
) -> None:
    gone = without(f"= '2021-05' and person_id >= {present}")
    assert outcomes(gone, persons=persons)[VISITS].status is status


def test_what_comes_after_the_last_complete_month_is_not_judged() -> None:
    cut = "update observation_period set observation_period_end_date = date '2022-12-30'"
    found = outcomes(cut, without("= '2022-12'"))
    assert (found[VISITS].violations, found[VISITS].denominator) == (0, 34)


def test_without_observation_nothing_is_known_of_the_end() -> None:
    found = outcomes("delete from observation_period")
    assert {outcome.status for outcome in found.values()} == {Status.NOT_APPLICABLE}


def test_a_test_that_fell_silent_is_named() -> None:
    other = "insert into measurement by name select * replace (5 as measurement_concept_id) "
    silent = "delete from measurement where measurement_date >= date '2022-11-01' and " + (
        f"measurement_concept_id = {CREATININE}"
    )
    outcome = outcomes(f"{other} from measurement", silent)[SILENT]
    assert (outcome.violations, outcome.denominator) == (1, 2)
    assert outcome.status is Status.FAILED
    assert outcome.message.endswith(f"tests: {CREATININE} Creatinine")


def test_a_test_with_one_result_in_the_newest_months_is_not_silent() -> None:
    quiet = "delete from measurement where measurement_date >= date '2022-11-01' and person_id > 0"
    assert outcomes(quiet)[SILENT].status is Status.PASSED


def test_a_test_of_few_persons_is_not_judged() -> None:
    assert outcomes(persons=9)[SILENT].status is Status.NOT_APPLICABLE
