"""Conservation of rows, from accounting tables as the candidate holds them."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from pumasi.errors import ReleaseError
from pumasi.quality import Outcome, Severity, Status, conservation_outcomes

TABLES = {
    "reference_losses": "(values ('condition_occurrence', 'visit_occurrence', 65332, 64717), "
    "('condition_occurrence', 'person', 65332, 0), ('death', 'person', 0, 0)) "
    "t(table_name, reference, rows_referring, rows_lost)",
    "read_counts": "(values ('d1', 'person', 100, 99, 1, 0, 1), "
    "('d1', 'visit', 50, 40, 10, 0, 9), ('d2', 'person', 10, 10, 0, 0, 0), "
    "('d1', 'note', 0, 0, 0, 0, 0)) t(delivery_id, source_table, rows_in, rows_read, "
    "rows_quarantined, rows_withdrawn, rows_misread)",
    "row_fates": "(values ('d1', 'person', 'in_omop', null, 90), "
    "('d1', 'person', 'duplicate', 'same_content', 9), ('d2', 'person', 'in_omop', null, 10), "
    "('d1', 'visit', 'in_omop', null, 40)) t(delivery_id, source_table, fate, rule, rows)",
}


def outcomes(folder: Path, **changed: str) -> dict[str, Outcome]:
    with duckdb.connect() as connection:
        for name, rows in {**TABLES, **changed}.items():
            connection.execute(f"copy (from {rows}) to '{folder / name}.parquet'")
    return {outcome.name: outcome for outcome in conservation_outcomes(folder)}


def test_lost_references_fail_unless_the_site_accepts_them(tmp_path: Path) -> None:
    found = outcomes(tmp_path)

    visits = found["condition_occurrence.visit_is_delivered"]
    assert (visits.violations, visits.denominator, visits.threshold) == (64717, 65332, 0.0)
    assert (visits.status, visits.severity) == (Status.FAILED, Severity.ERROR)
    assert found["condition_occurrence.person_is_delivered"].status is Status.PASSED
    assert found["death.person_is_delivered"].status is Status.NOT_APPLICABLE


def test_one_in_a_hundred_rows_may_be_unreadable(tmp_path: Path) -> None:
    found = outcomes(tmp_path)

    persons, visits = found["person.rows_can_be_read"], found["visit.rows_can_be_read"]
    assert (persons.violations, persons.denominator) == (1, 110)
    assert persons.status is Status.PASSED
    assert (visits.violations, visits.denominator, visits.status) == (10, 50, Status.FAILED)


def test_one_row_in_a_hundred_may_have_a_day_or_number_that_can_t_be_read(tmp_path: Path) -> None:
    found = outcomes(tmp_path)

    persons, visits = found["person.values_can_be_read"], found["visit.values_can_be_read"]
    assert (persons.violations, persons.denominator, persons.threshold) == (1, 109, 0.01)
    assert (persons.status, persons.severity) == (Status.PASSED, Severity.WARN)
    assert (visits.violations, visits.denominator, visits.status) == (9, 40, Status.FAILED)
    assert found["note.values_can_be_read"].status is Status.NOT_APPLICABLE


def test_counts_of_an_earlier_version_know_of_no_row_that_was_misread(tmp_path: Path) -> None:
    counts = (
        "(values ('d1', 'person', 109, 109, 0, 0)) "
        "t(delivery_id, source_table, rows_in, rows_read, rows_quarantined, rows_withdrawn)"
    )
    found = outcomes(tmp_path, read_counts=counts)["person.values_can_be_read"]
    assert (found.violations, found.denominator, found.status) == (0, 109, Status.PASSED)


def test_a_rule_may_leave_out_one_row_in_twenty(tmp_path: Path) -> None:
    fates = (
        "('d1', 'result', 'in_omop', null, 95), ('d1', 'result', 'duplicate', 'same_content', 40), "
        "('d1', 'result', 'not_mapped', 'no_event_date', 2), "
        "('d1', 'result', 'not_mapped', 'entered_in_error', {})"
    )
    columns = "t(delivery_id, source_table, fate, rule, rows)"
    of = {n: outcomes(tmp_path, row_fates=f"(values {fates.format(n)}) {columns}") for n in (3, 4)}

    few, many = (of[n]["result.rows_enter_omop"] for n in (3, 4))
    assert (few.violations, few.denominator, few.threshold) == (5, 100, 0.05)
    assert (few.status, few.severity) == (Status.PASSED, Severity.WARN)
    assert (many.violations, many.denominator, many.status) == (6, 101, Status.FAILED)
    assert many.message.endswith("; rules: entered_in_error, no_event_date")


def test_fates_add_up_to_the_rows_that_were_read(tmp_path: Path) -> None:
    found = outcomes(tmp_path)

    fate = found["person.every_row_has_a_fate"]
    assert (fate.violations, fate.denominator, fate.status) == (0, 109, Status.PASSED)
    assert found["note.every_row_has_a_fate"].status is Status.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("fates", "violations"),
    [
        ("('d1', 'person', 'in_omop', null, 98), ('d2', 'person', 'in_omop', null, 11)", 2),
        ("('d1', 'person', 'in_omop', null, 109)", 20),
        ("('d2', 'person', 'in_omop', null, 10)", 99),
    ],
)
def test_a_gap_in_one_delivery_is_not_made_good_by_another(
    tmp_path: Path, fates: str, violations: int
) -> None:
    found = outcomes(
        tmp_path, row_fates=f"(values {fates}) t(delivery_id, source_table, fate, rule, rows)"
    )

    fate = found["person.every_row_has_a_fate"]
    assert (fate.violations, fate.denominator, fate.status) == (violations, 109, Status.FAILED)


def test_rows_with_a_fate_that_were_never_read_are_a_failure(tmp_path: Path) -> None:
    found = outcomes(
        tmp_path,
        row_fates="(values ('d1', 'ghost', 'in_omop', null, 3)) "
        "t(delivery_id, source_table, fate, rule, rows)",
    )

    assert found["ghost.every_row_has_a_fate"].status is Status.FAILED


def test_a_missing_accounting_table_is_named(tmp_path: Path) -> None:
    outcomes(tmp_path)
    (tmp_path / "row_fates.parquet").unlink()

    with pytest.raises(ReleaseError, match=r"candidate without row_fates\.parquet: write the cand"):
        conservation_outcomes(tmp_path)


def test_rows_that_omop_has_no_place_for_are_not_left_out(tmp_path: Path) -> None:
    fates = (
        "(values ('d1', 'charges', 'in_omop', null, 60), ('d1', 'charges', 'not_mapped', "
        "'no_charge_or_payment', 37), ('d1', 'charges', 'not_mapped', 'no_day', 3)) "
        "t(delivery_id, source_table, fate, rule, rows)"
    )
    found = outcomes(tmp_path, row_fates=fates)["charges.rows_enter_omop"]
    assert (found.violations, found.denominator) == (3, 63)
    assert found.message.endswith("; rules: no_day")
