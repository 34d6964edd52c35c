"""Running suites: emptiness, errors, and that no value of a row comes out."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

import expectations
from pumasi.errors import ReleaseError
from pumasi.quality import Outcome, Status, reasons_closed
from tests.expectations.tiny import TABLES, write_tiny_candidate


def outcomes(
    folder: Path,
    *changes: str,
    may_be_empty: frozenset[str] = expectations.MAY_BE_EMPTY,
) -> dict[str, Outcome]:
    candidate = write_tiny_candidate(folder, *changes)
    found = expectations.run(candidate, may_be_empty)
    return {outcome.name: outcome for outcome in found}


def test_an_empty_table_is_not_applicable_where_declared_and_failed_elsewhere(
    tmp_path: Path,
) -> None:
    found = outcomes(tmp_path, "delete from death", "delete from measurement")

    assert {o.status for o in found.values() if o.table == "death"} == {Status.NOT_APPLICABLE}
    assert found["measurement.has_rows"].status is Status.FAILED
    assert found["measurement.has_rows"].message == (
        "nothing to check, and it is not declared that there may be nothing"
    )
    assert "measurement.has_rows" in " ".join(reasons_closed(list(found.values())))


def test_emptiness_is_declared_by_table_or_by_check(tmp_path: Path) -> None:
    found = outcomes(
        tmp_path,
        "delete from measurement",
        "delete from observation",
        may_be_empty=frozenset({"measurement", "observation.has_rows"}),
    )

    assert {o.status for o in found.values() if o.table == "measurement"} == {Status.NOT_APPLICABLE}
    assert found["observation.has_rows"].status is Status.NOT_APPLICABLE
    assert found["observation.visit_is_known"].status is Status.FAILED


def test_what_a_source_may_lack_is_not_applicable_when_it_does(tmp_path: Path) -> None:
    found = outcomes(tmp_path, "update drug_exposure set days_supply = null")

    assert found["drug_exposure.days_supply_is_plausible"].status is Status.NOT_APPLICABLE
    assert found["drug_exposure.has_rows"].status is Status.PASSED


def test_a_column_that_is_missing_is_an_error_that_names_it(tmp_path: Path) -> None:
    found = outcomes(tmp_path, "alter table drug_era rename gap_days to days_of_gap")

    outcome = found["drug_era.gaps_fit_into_the_era"]
    assert (outcome.status, outcome.violations, outcome.denominator) == (Status.ERROR, None, None)
    assert outcome.message.startswith("could not be checked: Binder Error: ")
    assert '"gap_days"' in outcome.message
    assert found["condition_era.is_made_of_something"].status is Status.PASSED
    assert len(reasons_closed(list(found.values()))) == len(
        [o for o in found.values() if o.table == "drug_era"]
    )


def test_an_error_of_the_data_says_nothing_of_the_data(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        # The last day that DuckDB knows: 60 days later is out of range, and the message says so.
        found = outcomes(tmp_path, "update death set death_date = date '5881580-07-10'")

    broken = [o for o in found.values() if o.status is Status.ERROR]
    assert broken
    assert {o.message for o in broken} == {"could not be checked: the expectation raised an error"}
    printed = capfd.readouterr()
    assert "5881580" not in caplog.text + printed.out + printed.err + str(found)


def test_nothing_is_printed_or_logged(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    outcomes(tmp_path, "update person set year_of_birth = 1899")

    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")
    assert [r for r in caplog.records if r.name.startswith("great_expectations")] == []


def test_an_event_is_compared_with_the_latest_day_of_extraction(tmp_path: Path) -> None:
    later = "insert into deliveries values ('d2', date '2021-06-30')"
    event = "update observation set observation_date = date '2021-06-30' where observation_id = 1"
    name = "observation.observation_date_is_not_after_extraction"
    alone, two = tmp_path / "one", tmp_path / "two"
    alone.mkdir()
    two.mkdir()

    assert outcomes(alone, event)[name].violations == 1
    assert outcomes(two, event, later)[name].violations == 0


def test_deliveries_that_state_no_extraction_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="no delivery of the candidate says through which day"):
        outcomes(tmp_path, "update deliveries set extracted_through = null")


@pytest.mark.parametrize("table", ["drug_era", "person", "deliveries"])
def test_a_table_that_is_missing_is_named(tmp_path: Path, table: str) -> None:
    candidate = write_tiny_candidate(tmp_path)
    (candidate / f"{table}.parquet").unlink()

    with pytest.raises(ReleaseError, match=rf"candidate without {table}\.parquet: write the cand"):
        expectations.run(candidate)


def test_the_candidate_is_only_read(tmp_path: Path) -> None:
    candidate = write_tiny_candidate(tmp_path)
    before = {path.name: path.read_bytes() for path in candidate.iterdir()}

    expectations.run(candidate)

    assert {path.name: path.read_bytes() for path in candidate.iterdir()} == before
    assert before.keys() == {f"{table}.parquet" for table in TABLES}


def test_a_path_with_a_quote_in_it_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "it's here"
    folder.mkdir()

    assert outcomes(folder)["person.has_rows"].denominator == 10
