"""Running all checks: emptiness, errors, and that no value of a row comes out."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

import expectations
from expectations.duckdb import repair
from expectations.run import _open, _outcomes
from expectations.views import make_views
from pumasi.errors import ReleaseError
from pumasi.quality import Severity, Status, reasons_closed
from pumasi.quality.catalogue import build_checks
from tests.expectations.tiny import (
    DECLARED,
    EMPTY,
    TABLES,
    run_tiny,
    write_tiny_candidate,
    write_tiny_vocabulary,
)


def test_an_empty_table_is_not_applicable_where_declared_and_failed_elsewhere(
    tmp_path: Path,
) -> None:
    found = run_tiny(tmp_path, "delete from death", "delete from measurement")

    assert {o.status for o in found.values() if o.table == "death"} == {Status.NOT_APPLICABLE}
    assert found["measurement.has_rows"].status is Status.FAILED
    assert found["measurement.has_rows"].message == (
        "nothing to check, and it is not declared that there may be nothing"
    )
    assert "measurement.has_rows" in " ".join(reasons_closed(list(found.values())))


def test_emptiness_is_declared_by_table_or_by_check(tmp_path: Path) -> None:
    found = run_tiny(
        tmp_path,
        "delete from measurement",
        "delete from observation",
        may_be_empty=frozenset({"measurement", "observation.has_rows"}),
    )

    assert {o.status for o in found.values() if o.table == "measurement"} == {Status.NOT_APPLICABLE}
    assert found["observation.has_rows"].status is Status.NOT_APPLICABLE
    assert found["observation.visit_is_known"].status is Status.FAILED


@pytest.mark.parametrize(("persons", "status"), [(1, Status.PASSED), (2, Status.FAILED)])
def test_one_row_alone_is_no_share_and_two_are(
    tmp_path: Path, persons: int, status: Status
) -> None:
    spoiled = f"update person set gender_concept_id = 0 where person_id <= {persons}"
    outcome = run_tiny(tmp_path, spoiled)["person.gender_is_known"]

    assert (outcome.violations, outcome.denominator, outcome.threshold) == (persons, 10, 0.05)
    assert outcome.status is status


def test_what_a_source_may_lack_is_not_applicable_when_it_does(tmp_path: Path) -> None:
    found = run_tiny(tmp_path, "update measurement set range_low = null")

    assert found["measurement.range_is_in_order"].status is Status.NOT_APPLICABLE
    assert found["measurement.has_rows"].status is Status.PASSED


def test_a_column_that_is_missing_is_an_error_that_names_it(tmp_path: Path) -> None:
    found = run_tiny(tmp_path, "alter table drug_era rename gap_days to days_of_gap")

    outcome = found["drug_era.gaps_fit_into_the_era"]
    assert (outcome.status, outcome.violations, outcome.denominator) == (Status.ERROR, None, None)
    assert outcome.message.startswith("could not be checked: Binder Error: ")
    assert '"gap_days"' in outcome.message
    assert found["condition_era.is_made_of_something"].status is Status.PASSED
    # All rules of a table are one query; the catalogue's checks are others, and none needs it.
    broken = {o.name for o in found.values() if o.status is Status.ERROR}
    rules = {o.name for o in found.values() if o.source == "great_expectations"}
    assert broken == {name for name in rules if name.startswith("drug_era.")}
    assert len(reasons_closed(list(found.values()))) == len(broken) == 3


@pytest.mark.parametrize(
    ("changes", "source", "message"),
    [
        # The last day that DuckDB knows: 60 days later is out of range, and the message says so.
        (
            ["update death set death_date = date '5881580-07-10'"],
            "catalogue",
            "could not be checked: counting time ended with OutOfRangeException",
        ),
        # An era that is longer than an integer can say.
        (
            [
                "alter table drug_era alter drug_era_start_date type bigint using -5881580",
                "alter table drug_era alter drug_era_end_date type bigint"
                " using 9223372036854775807",
            ],
            "great_expectations",
            "could not be checked: the expectation raised an error",
        ),
    ],
)
def test_an_error_of_the_data_says_nothing_of_the_data(
    tmp_path: Path,
    changes: list[str],
    source: str,
    message: str,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG):
        found = run_tiny(tmp_path, *changes)

    broken = [o for o in found.values() if o.status is Status.ERROR]
    assert {o.message for o in broken if o.source == source} == {message}
    printed = capfd.readouterr()
    assert "5881580" not in caplog.text + printed.out + printed.err + str(found)


def test_nothing_is_printed_or_logged(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    run_tiny(tmp_path, "update person set year_of_birth = 1899")

    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")
    assert [r for r in caplog.records if r.name.startswith("great_expectations")] == []


def test_an_event_is_compared_with_the_latest_day_of_extraction(tmp_path: Path) -> None:
    later = "insert into deliveries values ('d2', date '2021-01-01')"
    event = "update observation set observation_date = date '2021-01-01' where observation_id = 1"
    name = "observation.observation_date_is_not_too_high"
    alone, two = tmp_path / "one", tmp_path / "two"
    alone.mkdir()
    two.mkdir()

    assert run_tiny(alone, event)[name].violations == 1
    assert run_tiny(two, event, later)[name].violations == 0


def test_deliveries_that_state_no_extraction_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="no delivery of the candidate says through which day"):
        run_tiny(tmp_path, "update deliveries set extracted_through = null")


@pytest.mark.parametrize("table", ["drug_era", "person", "deliveries"])
def test_a_table_that_is_missing_is_named(tmp_path: Path, table: str) -> None:
    candidate = write_tiny_candidate(tmp_path)
    (candidate / f"{table}.parquet").unlink()

    with pytest.raises(ReleaseError, match=rf"candidate without {table}\.parquet: write the cand"):
        expectations.run(candidate, tmp_path, DECLARED)


def test_candidate_and_vocabulary_are_only_read(tmp_path: Path) -> None:
    candidate, vocabulary = write_tiny_candidate(tmp_path), write_tiny_vocabulary(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")}

    expectations.run(candidate, vocabulary, DECLARED)

    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path: path.read_bytes() for path in files} == before
    assert {path.name for path in candidate.iterdir()} == {
        f"{table}.parquet" for table in (*TABLES, *EMPTY)
    }


def test_a_path_with_a_quote_in_it_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "it's here"
    folder.mkdir()

    assert run_tiny(folder)["person.has_rows"].denominator == 10


def test_a_field_that_lost_its_values_fails_unless_that_was_declared(tmp_path: Path) -> None:
    emptied = "update drug_exposure set days_supply = null"
    lost, known = tmp_path / "lost", tmp_path / "known"
    lost.mkdir()
    known.mkdir()
    name = "drug_exposure.days_supply_is_filled"

    found = run_tiny(lost, emptied)[name]
    assert (found.status, found.severity) == (Status.FAILED, Severity.WARN)
    assert (found.violations, found.denominator) == (20, 20)
    assert found.message == "no row has a value, and it is not declared that none may have"

    outcomes = run_tiny(known, emptied, declared=DECLARED | {("drug_exposure", "days_supply")})
    assert outcomes[name].status is Status.NOT_APPLICABLE
    assert outcomes[name].message == "nothing to check: declared empty"
    of_field = [o for o in outcomes.values() if o.name.startswith("drug_exposure.days_supply_")]
    assert {o.status for o in of_field} == {Status.NOT_APPLICABLE}
    assert len(of_field) == 4


def test_a_field_of_which_something_is_filled_needs_no_declaration(tmp_path: Path) -> None:
    one = "update condition_occurrence set stop_reason = 'x' where condition_occurrence_id = 1"

    found = run_tiny(tmp_path, one)["condition_occurrence.stop_reason_is_filled"]

    assert (found.status, found.violations) == (Status.PASSED, 19)


def test_a_column_that_cannot_be_read_is_an_error_and_hides_no_other(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        found = run_tiny(
            tmp_path,
            "alter table condition_occurrence alter condition_concept_id type varchar",
            "update condition_occurrence set condition_concept_id = 'a secret'"
            " where condition_occurrence_id = 1",
        )

    broken = [o for o in found.values() if o.status is Status.ERROR]
    # An era is due to whoever has a mapped condition.
    assert {o.table for o in broken} == {"condition_occurrence", "condition_era"}
    assert {o.message.rpartition(" ended with ")[2] for o in broken} == {"ConversionException"}
    assert "condition_occurrence.condition_concept_id_is_in_concept" in {o.name for o in broken}
    assert all(o.violations is None for o in broken)
    assert found["condition_occurrence.condition_start_date_is_filled"].status is Status.PASSED
    assert found["condition_occurrence.visit_is_known"].status is Status.PASSED
    assert found["drug_exposure.drug_concept_id_is_in_concept"].status is Status.PASSED
    printed = capfd.readouterr()
    assert "a secret" not in caplog.text + printed.out + printed.err + str(found)


def test_a_family_that_breaks_is_an_error_of_each_of_its_checks(tmp_path: Path) -> None:
    from great_expectations import ExpectationSuite

    from expectations.checks import ExpectChecksToPass

    repair()
    database = tmp_path / "candidate.duckdb"
    candidate, vocabulary = write_tiny_candidate(tmp_path), write_tiny_vocabulary(tmp_path)
    make_views(database, candidate, vocabulary, ["death"])
    no_day = ExpectChecksToPass(
        table="death", family="time", today="no day", meta={"catalogue": ["death", "time"]}
    )
    suite = ExpectationSuite("death", expectations=[no_day])

    found = _outcomes(_open(database), "death", suite, DECLARED, ())

    asked = [c for c in build_checks() if (c.table, c.family) == ("death", "time")]
    assert {outcome.name for outcome in found} == {check.name for check in asked}
    assert {(outcome.status, outcome.message) for outcome in found} == {
        (Status.ERROR, "could not be checked: the expectation raised an error")
    }


def test_without_a_vocabulary_what_needs_it_is_not_applicable(tmp_path: Path) -> None:
    candidate, nothing = write_tiny_candidate(tmp_path), tmp_path / "nothing"
    nothing.mkdir()

    outcomes = expectations.run(candidate, nothing, DECLARED)

    found = {o.name: o for o in outcomes}["person.gender_concept_id_is_in_concept"]
    assert found.status is Status.NOT_APPLICABLE
    assert found.message == "nothing to check: there is no table concept"


def test_a_concept_that_the_vocabulary_lacks_is_reported_and_closes_nothing(
    tmp_path: Path,
) -> None:
    found = run_tiny(tmp_path, "update visit_occurrence set visit_concept_id = 99")

    outcome = found["visit_occurrence.visit_concept_id_is_in_concept"]
    assert (outcome.violations, outcome.severity) == (20, Severity.WARN)
    assert reasons_closed(list(found.values())) == []


def test_the_key_of_a_row_of_the_day_after_the_extract_is_found(tmp_path: Path) -> None:
    late = "update observation set observation_date = date '2021-01-01' where observation_id = 1"
    candidate, vocabulary = write_tiny_candidate(tmp_path, late), write_tiny_vocabulary(tmp_path)
    outcomes = expectations.run(candidate, vocabulary, DECLARED)

    found = {each.check: each for each in expectations.offenders(candidate, vocabulary, outcomes)}

    name = "observation.observation_date_is_not_too_high"
    assert (found[name].field, found[name].keys) == ("observation_id", ("1",))
