"""Each check of drift fails on what was planted, and passes on the same twice and on growth."""

from __future__ import annotations

from pathlib import Path

import pytest

from pumasi.quality import Outcome, Severity, Status
from pumasi.quality.drift import drift_outcomes
from tests.quality.record import CREATININE, UMOL_L, compared, record

AGE = "person.age_and_sex_are_as_before"
THERE = "person.persons_are_still_there"
VOLUME = "visit_occurrence.volume_by_month_is_as_before"
CONCEPTS = "condition_occurrence.concepts_are_as_before"
MAPPED = "condition_occurrence.share_mapped_is_as_before"
VALUES = f"measurement.{CREATININE}_values_are_as_before"
MONTHS = 24


def outcomes(folder: Path, *changes: str, months: int = MONTHS) -> dict[str, Outcome]:
    before = compared(record(MONTHS), folder / "before")
    now = compared(record(months), folder / "now", *changes)
    return {outcome.name: outcome for outcome in drift_outcomes(now, before)}


def failed(found: dict[str, Outcome]) -> set[str]:
    return {name for name, outcome in found.items() if outcome.status is Status.FAILED}


def test_the_same_twice_passes(tmp_path: Path) -> None:
    found = outcomes(tmp_path)
    checks = (AGE, THERE, VOLUME, CONCEPTS, MAPPED, VALUES)
    assert {found[name].status for name in checks} == {Status.PASSED}
    assert failed(found) == set()
    assert {outcome.severity for outcome in found.values()} == {Severity.WARN}
    assert {outcome.source for outcome in found.values()} == {"drift"}


@pytest.mark.parametrize("months", [25, 27])
def test_a_record_that_grew_passes(tmp_path: Path, months: int) -> None:
    new_person = (
        "insert into person (person_id, gender_concept_id, year_of_birth) "
        "select 1000 + i, case when i % 2 = 0 then 8507 else 8532 end, 1940 + i % 60 "
        "from range(20) r(i)"
    )
    found = outcomes(tmp_path, new_person, months=months)
    assert failed(found) == set()
    assert found[VOLUME].denominator == 23 + months - MONTHS


def test_other_persons_are_seen_in_age_and_sex_and_as_missing(tmp_path: Path) -> None:
    found = outcomes(tmp_path, "delete from person where year_of_birth < 1958")
    assert {AGE, THERE} <= failed(found)
    assert (found[THERE].violations, found[THERE].denominator) == (72, 200)
    assert found[THERE].message == "violated by 72 of 200 (36.00%); allowed 1.00%"
    assert (found[AGE].violations, found[AGE].denominator) == (1, 1)
    assert found[AGE].message.startswith("stability index ")
    assert found[AGE].message.endswith("(all persons; 200 before, 128 now)")


def test_one_person_in_a_hundred_may_be_gone(tmp_path: Path) -> None:
    found = outcomes(tmp_path, "delete from person where person_id < 2")
    assert (found[THERE].violations, found[THERE].status) == (2, Status.PASSED)


def test_a_month_that_lost_or_doubled_its_rows_is_named(tmp_path: Path) -> None:
    lost = "delete from visit_occurrence where visit_start_date between '2020-05-01' and "
    found = outcomes(
        tmp_path,
        f"{lost} '2020-05-09'",
        "insert into visit_occurrence by name from visit_occurrence "
        "where visit_start_date between '2021-03-01' and '2021-03-31'",
    )
    assert failed(found) == {VOLUME}
    assert (found[VOLUME].violations, found[VOLUME].denominator) == (2, 23)
    assert found[VOLUME].message.endswith("months: 2020-05, 2021-03")


def test_the_newest_month_of_the_last_release_may_still_fill_up(tmp_path: Path) -> None:
    before = compared(
        record(MONTHS),
        tmp_path / "before",
        "delete from visit_occurrence where visit_start_date >= '2021-12-20'",
    )
    now = compared(record(MONTHS), tmp_path / "now")
    assert failed({each.name: each for each in drift_outcomes(now, before)}) == set()


def test_a_new_month_that_is_cut_is_named(tmp_path: Path) -> None:
    cut = "delete from visit_occurrence where visit_start_date >= '2022-01-10'"
    found = outcomes(tmp_path, cut, months=25)
    assert failed(found) == {VOLUME}
    assert found[VOLUME].message.endswith("months: 2022-01")


def test_another_mix_of_concepts_is_seen(tmp_path: Path) -> None:
    swap = "update condition_occurrence set condition_concept_id = 317009 where person_id % 3 = 1"
    found = outcomes(tmp_path, swap)
    assert failed(found) == {CONCEPTS}
    assert "stability index 0.4" in found[CONCEPTS].message


def test_codes_that_lost_their_concept_are_counted(tmp_path: Path) -> None:
    lose = "update condition_occurrence set condition_concept_id = 0 where person_id % 10 = 0"
    found = outcomes(tmp_path, lose)
    assert MAPPED in failed(found)
    assert (found[MAPPED].violations, found[MAPPED].denominator) == (480, 4800)
    assert found[MAPPED].threshold == 0.02


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ("value_as_number = value_as_number * 88.4", "all values, milligram per deciliter"),
        (f"unit_concept_id = {UMOL_L}", "all units"),
    ],
)
def test_values_in_another_unit_are_seen(tmp_path: Path, change: str, where: str) -> None:
    found = outcomes(tmp_path, f"update measurement set {change}")
    assert failed(found) == {VALUES}
    assert f"({where};" in found[VALUES].message


@pytest.mark.parametrize(
    "change", ["value_as_number = value_as_number * 88.4", f"unit_concept_id = {UMOL_L}"]
)
def test_a_unit_that_changed_in_the_newest_month_only_is_seen(tmp_path: Path, change: str) -> None:
    late = f"update measurement set {change} where measurement_date >= '2022-01-01'"
    found = outcomes(tmp_path, late, months=25)
    assert failed(found) == {VALUES}
    assert "(newest " in found[VALUES].message


def test_of_a_few_values_nothing_is_said(tmp_path: Path) -> None:
    few = "delete from measurement where person_id > 0"
    before = compared(record(MONTHS), tmp_path / "before", few)
    now = compared(record(MONTHS), tmp_path / "now")
    found = {each.name: each for each in drift_outcomes(now, before)}
    assert found[VALUES].status is Status.NOT_APPLICABLE
    assert found[VALUES].message.startswith("nothing to compare: too few rows")


def test_chance_alone_moves_no_small_record(tmp_path: Path) -> None:
    """A hundred persons in twelve cells move by 0.1 of the index without any reason."""
    half = "delete from person where hash(person_id) % 2 = {}"
    before = compared(record(MONTHS), tmp_path / "before", half.format(0))
    now = compared(record(MONTHS), tmp_path / "now", half.format(1))
    found = {each.name: each for each in drift_outcomes(now, before)}
    assert found[AGE].status in (Status.PASSED, Status.NOT_APPLICABLE)


def test_a_table_that_vanished_lost_all_its_months(tmp_path: Path) -> None:
    found = outcomes(tmp_path, "delete from visit_occurrence")
    assert (found[VOLUME].violations, found[VOLUME].denominator) == (23, 23)


def test_the_first_release_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    found = drift_outcomes(compared(record(MONTHS), tmp_path), None)
    assert {AGE, THERE, VOLUME, CONCEPTS, MAPPED, VALUES} <= {each.name for each in found}
    assert {each.status for each in found} == {Status.NOT_APPLICABLE}
    assert found[0].message.startswith("nothing to compare with: no earlier release has its tables")
