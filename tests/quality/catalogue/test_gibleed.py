"""A database that others made, with the defects that it is known for; and the command on it.

GiBleed is of CDM 5.3.1 and its names are in upper case: it is loaded as it is.
"""

from __future__ import annotations

import json
import stat
from collections import Counter
from datetime import date
from pathlib import Path

import duckdb
import pytest
from pyarrow import parquet

from pumasi.cli import main
from pumasi.quality import Status
from pumasi.quality.catalogue import (
    Cdm,
    CheckResult,
    applicable,
    concrete_checks,
    open_database,
    own_checks,
    run_catalogue,
)
from tests.quality.catalogue.plainly import queries

TODAY = date(2026, 7, 1)


@pytest.fixture(scope="module")
def gibleed(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database file: every CSV a table of schema cdm."""
    path = tmp_path_factory.mktemp("gibleed") / "gibleed.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema cdm")
        for file in sorted((shared_data / "gibleed_omop53").glob("*.csv.gz")):
            table = file.name.removesuffix(".csv.gz")
            connection.execute(f"create table cdm.{table} as from '{file}'")
    return path


@pytest.fixture(scope="module")
def results(gibleed: Path) -> dict[str, CheckResult]:
    with open_database(gibleed) as connection:
        cdm = Cdm.find(connection, "cdm", None, TODAY)
        return {r.outcome.name: r for r in run_catalogue(cdm, (*concrete_checks(), *own_checks()))}


@pytest.mark.parametrize(
    ("name", "violations", "denominator"),
    [
        ("condition_occurrence.visit_occurrence_id_is_in_visit_occurrence", 64_717, 65_332),
        ("observation_period.person_id_is_in_person", 2_649, 5_343),
        ("drug_exposure.drug_exposure_id_is_unique", 8_768, 67_707),
        ("episode.table_is_there", 1, 1),
        ("measurement.unit_source_concept_id_is_there", 1, 1),
    ],
)
def test_its_known_defects_are_found(
    results: dict[str, CheckResult], name: str, violations: int, denominator: int
) -> None:
    outcome = results[name].outcome
    assert outcome.status is Status.FAILED
    assert (outcome.violations, outcome.denominator) == (violations, denominator)


def test_every_count_is_what_plain_queries_of_its_own_give(
    gibleed: Path, results: dict[str, CheckResult]
) -> None:
    compared = 0
    with open_database(gibleed) as connection:
        cdm = Cdm.find(connection, "cdm", None, TODAY)
        for check in applicable(cdm, [c for c in concrete_checks() if c.family != "structure"]):
            outcome = results[check.name].outcome
            counts = [connection.execute(q).fetchall()[0][0] for q in queries(check, TODAY)]
            assert [outcome.violations, outcome.denominator] == counts, check.name
            compared += outcome.denominator > 0
    assert compared > 700


def test_every_check_ends_and_none_breaks(results: dict[str, CheckResult]) -> None:
    own = {check.name for check in own_checks()}
    statuses = Counter(r.outcome.status for name, r in results.items() if name not in own)
    assert statuses == {Status.PASSED: 1044, Status.NOT_APPLICABLE: 1390, Status.FAILED: 101}
    assert Status.ERROR not in {results[name].outcome.status for name in own}


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["quality", "run", *arguments])
    return int(ended.value.code or 0)


def test_the_command_writes_what_it_found(
    gibleed: Path,
    results: dict[str, CheckResult],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = gibleed.read_bytes()
    assert run("--database", str(gibleed), "--schema", "cdm", "--out", str(tmp_path / "found")) == 0
    assert gibleed.read_bytes() == before
    said = capsys.readouterr().out
    assert "plausibility" in said
    assert "64,717" in said
    assert sorted(path.name for path in (tmp_path / "found").iterdir()) == [
        "outcomes.parquet",
        "results.json",
    ]
    written = parquet.read_table(tmp_path / "found" / "outcomes.parquet").to_pylist()
    assert {row["name"]: (row["violations"], row["status"]) for row in written} == {
        name: (r.outcome.violations, r.outcome.status.value) for name, r in results.items()
    }


def test_results_are_laid_out_as_the_viewer_of_ohdsi_reads_them(
    gibleed: Path, tmp_path: Path
) -> None:
    assert run("--database", str(gibleed), "--schema", "CDM", "--out", str(tmp_path)) == 0
    layout = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    rows = {row["checkId"]: row for row in layout["CheckResults"]}
    row = rows["field_isforeignkey_condition_occurrence_visit_occurrence_id"]
    expected = {
        "numViolatedRows": 64717,
        "pctViolatedRows": 64717 / 65332,
        "numDenominatorRows": 65332,
        "checkName": "isForeignKey",
        "checkLevel": "FIELD",
        "cdmTableName": "CONDITION_OCCURRENCE",
        "cdmFieldName": "VISIT_OCCURRENCE_ID",
        "category": "Conformance",
        "subcategory": "Relational",
        "context": "Verification",
        "severity": "fatal",
        "failed": 1,
        "passed": 0,
        "isError": 0,
        "notApplicable": 0,
        "notApplicableReason": None,
        "error": None,
        "thresholdValue": 0,
    }
    assert {name: row[name] for name in expected} == expected
    assert layout["Metadata"][0]["cdmVersion"] == "v5.3.1"
    overview = {name: value for name, (value,) in layout["Overview"].items()}
    assert overview["countTotal"] == len(rows) == 2535
    assert (overview["countPassed"], overview["countOverallFailed"]) == (1044, 101)
    assert overview["percentFailed"] == round(100 * 101 / 1145, 2)
    assert sum(overview[f"countFailed{c}"] for c in ("Conformance", "Completeness")) == 74
    for each in rows.values():
        ends = ("failed", "passed", "isError", "notApplicable")
        assert sum(each[end] for end in ends) == 1


def test_keys_of_offenders_are_written_when_asked_for(gibleed: Path, tmp_path: Path) -> None:
    arguments = ("--database", str(gibleed), "--schema", "cdm", "--out", str(tmp_path))
    assert run(*arguments, "--keys") == 0
    lines = (tmp_path / "keys.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "check,field,key"
    assert stat.S_IMODE((tmp_path / "keys.csv").stat().st_mode) == 0o600
    per_check = Counter(line.split(",")[0] for line in lines[1:])
    name = "condition_occurrence.visit_occurrence_id_is_in_visit_occurrence"
    assert (per_check[name], max(per_check.values())) == (20, 20)
    keys = [line.split(",")[2] for line in lines if line.startswith(f"{name},")]
    with open_database(gibleed) as connection:
        orphans = connection.execute(
            "select condition_occurrence_id from cdm.condition_occurrence anti join"
            " cdm.visit_occurrence using (visit_occurrence_id) order by 1 limit 20"
        ).fetchall()
    assert keys == [str(key) for (key,) in orphans]


def test_no_key_and_no_value_of_a_row_is_anywhere_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "hospital.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "create table person as select 9876543210 as person_id,"
            " 1234567890 as gender_concept_id, 'Hong Gildong' as person_source_value,"
            " '1x' as birth_datetime from range(2)"
        )
        connection.execute(
            "create table death as select 8765432109 as person_id, 'fell' as death_date"
        )
    arguments = ("--database", str(path), "--schema", "main", "--out", str(tmp_path / "out"))
    assert run(*arguments, "--keys") == 0
    keys = (tmp_path / "out" / "keys.csv").read_text(encoding="utf-8")
    assert "9876543210" in keys
    assert "8765432109" in keys
    outcomes = parquet.read_table(tmp_path / "out" / "outcomes.parquet").to_pylist()
    said = capsys.readouterr()
    shown = said.out + said.err + str(outcomes) + (tmp_path / "out" / "results.json").read_text()
    assert "ended with ConversionException" in shown
    for value in ("9876543210", "8765432109", "1234567890", "Hong Gildong", "1x", "fell"):
        assert value not in shown


def test_a_dry_run_says_how_many_checks_of_which_type(
    gibleed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert run("--database", str(gibleed), "--schema", "cdm", "--dry-run") == 0
    said = capsys.readouterr().out
    assert "2,399 of 2,618 checks would be run. Nothing was." in said
    assert "plausibleGenderUseDescendants" in said
    assert "eventsAreNotRepeated" in said


def test_what_can_not_be_checked_is_refused_with_a_reason(
    gibleed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no database", encoding="utf-8")
    for arguments, reason in (
        (("--database", str(tmp_path / "absent"), "--schema", "cdm"), "there is no file"),
        (("--database", str(text), "--schema", "cdm"), "it is no DuckDB file"),
        (("--database", str(gibleed), "--schema", "omop"), "no schema omop; there are cdm"),
        (("--database", str(gibleed), "--schema", "main"), "no table of OMOP CDM 5.4"),
    ):
        assert run(*arguments) == 1
        assert reason in capsys.readouterr().err
