"""What of the catalogue a build asks: nothing that dbt holds, departures from DQD, emptiness."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from pumasi.config import project_root
from pumasi.config.site import FORMATS
from pumasi.omop import cdm_tables
from pumasi.omop.sources import has_source
from pumasi.quality import Severity, Status
from pumasi.quality.catalogue import (
    CheckResult,
    ConcreteCheck,
    build_checks,
    concrete_checks,
    declared_empty,
    judged_as_declared,
    run_step,
)
from pumasi.quality.catalogue import checks as catalogue
from pumasi.quality.catalogue.checks import own_checks
from tests.quality.catalogue.tiny import Rows, check_of, tiny_cdm

DATA = Path(catalogue.__file__).parent / "data"
MODELS = project_root() / "dbt_project" / "models" / "omop"
# Which test of dbt holds what a type asks of a field; the rest is held by the contract.
TESTS = {"isRequired": "not_null", "isPrimaryKey": "unique", "isForeignKey": "relationships"}


# What Pumasi never fills.
NEVER = {
    (field.table, field.name)
    for table in cdm_tables().values()
    for field in table.fields
    if field.always_empty
}


def listed(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@cache
def built() -> Mapping[str, Mapping[str, set[str]]]:
    """Kinds of dbt tests by column and OMOP table that the project builds."""
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in MODELS.glob("*.yml")]
    return {
        model["name"]: {
            column["name"]: {kind for test in column.get("data_tests", []) for kind in _kinds(test)}
            for column in model["columns"]
        }
        for file in files
        for model in file["models"]
    }


def _kinds(test: str | Mapping[str, Any]) -> list[str]:
    return [test] if isinstance(test, str) else list(test)


def test_the_contract_of_omop_tables_is_enforced() -> None:
    project = yaml.safe_load((project_root() / "dbt_project" / "dbt_project.yml").read_text())

    assert project["models"]["pumasi"]["omop"]["+contract"] == {"enforced": True}
    assert {"person", "death", "measurement", "cdm_source"} <= built().keys()


def test_what_is_left_to_dbt_dbt_holds() -> None:
    """By a test in the yml, or as a column of the contract; a table that nothing fills has that."""
    left = [c for c in concrete_checks() if c.in_build == "dbt" and c.table in built()]
    filled = {c.table for c in left if has_source(c.table)}
    missing = []
    for check in left:
        columns = built()[check.table]
        if (check.table, check.field) in NEVER:
            continue
        kind = TESTS.get(check.type.name)
        # What the project does not build, no field can refer to.
        if kind == "relationships" and check.other_table not in built():
            continue
        if check.field not in columns and check.type.name != "cdmTable":
            missing.append(check.name)
        elif kind and kind not in columns[check.field] and check.table in filled:
            missing.append(f"{check.name}: {kind}")
    assert missing == []
    assert {check.type.name for check in left} == {*TESTS, "cdmTable", "cdmField", "cdmDatatype"}


def test_a_build_leaves_nothing_out_but_what_dbt_holds_and_what_is_no_limit() -> None:
    asked = {check.name for check in build_checks()}
    vocabulary = {table.name for table in cdm_tables().values() if table.schema == "VOCAB"}
    left_out = {
        check.name
        for check in (*concrete_checks(), *own_checks())
        if check.name not in asked
        and check.table not in vocabulary
        and check.in_build == "catalogue"
    }
    # A delivery is made after the last day that it covers.
    assert left_out == {
        "cdm_source.cdm_release_date_is_not_too_high",
        "cdm_source.source_release_date_is_not_too_high",
    }
    assert not {check.table for check in build_checks()} & vocabulary
    assert not [check.name for check in build_checks() if check.in_build != "catalogue"]


def test_of_references_those_to_concepts_places_and_providers_are_the_catalogue_s() -> None:
    references = [check for check in build_checks() if check.type.name == "isForeignKey"]

    tables = {"concept", "location", "care_site", "provider"}
    assert {check.other_table for check in references} == tables


def departed(row: Mapping[str, str]) -> list[tuple[ConcreteCheck, ConcreteCheck]]:
    """The checks that a row of departures is about: DQD's and the build's."""
    place = (row["check"], row["table"], row["field"])
    of_dqd = {check.name: check for check in concrete_checks()}
    return [
        (of_dqd[check.name], check)
        for check in build_checks()
        if place in ((check.type.name, check.table, check.field), (check.type.name, "", ""))
    ]


DEPARTURES = listed("departures.csv")


@pytest.mark.parametrize(
    "row", DEPARTURES, ids=lambda row: f"{row['check']}-{row['table']}-{row['field']}"
)
def test_a_departure_has_a_reason_and_changes_a_check_of_builds_only(
    row: Mapping[str, str],
) -> None:
    pairs = departed(row)

    assert row["reason"]
    assert pairs
    for theirs, ours in pairs:
        assert theirs.severity is None
        before, after = theirs.as_check(), ours.as_check()
        assert (before.threshold, before.severity) != (after.threshold, after.severity)
        # What a row says nothing of stays DQD's.
        assert after.threshold == (
            float(row["threshold"]) / 100 if row["threshold"] else before.threshold
        )
        assert after.severity == (Severity(row["severity"]) if row["severity"] else before.severity)


def test_a_check_that_no_departure_names_is_as_dqd_has_it() -> None:
    places = Counter((row["check"], row["table"], row["field"]) for row in DEPARTURES)
    assert set(places.values()) == {1}
    named = {ours.name for row in DEPARTURES for _, ours in departed(row)}
    others = [check for check in build_checks() if check.name not in named]

    assert len(others) > 1400
    assert set(others) <= {*concrete_checks(), *own_checks()}


EMPTY = listed("declared_empty.csv")


def test_what_a_format_has_no_value_of_is_an_optional_field_of_the_cdm() -> None:
    fields = {(f.table, f.name): f for table in cdm_tables().values() for f in table.fields}

    assert {row["format"] for row in EMPTY} == {*FORMATS} - {"omop_cdm"}
    for row in EMPTY:
        assert not fields[row["table"], row["field"]].required, row


def test_a_field_is_declared_once_for_a_format() -> None:
    by_format = {
        name: [(r["table"], r["field"]) for r in EMPTY if r["format"] == name] for name in FORMATS
    }

    assert ("note", "note_text") in NEVER
    for name, declared in by_format.items():
        assert len(set(declared)) == len(declared), name
        assert NEVER.isdisjoint(declared), name
        assert declared_empty(name) == NEVER | set(declared)


def test_a_site_adds_what_its_system_does_not_record() -> None:
    added = declared_empty("fhir_r4", ["measurement.value_source_value"])

    assert added - declared_empty("fhir_r4") == {("measurement", "value_source_value")}


def of_days_supply(*values: int | None) -> list[CheckResult]:
    """Results of the checks of drug_exposure.days_supply on exposures with these."""
    rows: Rows = [
        {"drug_exposure_id": number, "days_supply": value} for number, value in enumerate(values)
    ]
    cdm = tiny_cdm({"drug_exposure": rows})
    step = [
        check_of(type_, "drug_exposure", "days_supply")
        for type_ in ("measureValueCompleteness", "plausibleValueLow", "plausibleValueHigh")
    ]
    return run_step(cdm, step)


def test_a_field_without_any_value_fails_where_that_is_not_declared() -> None:
    filled, *limits = judged_as_declared(of_days_supply(None, None), declared=())

    assert (filled.outcome.status, filled.outcome.severity) == (Status.FAILED, Severity.WARN)
    assert filled.outcome.message == "no row has a value, and it is not declared that none may have"
    # Nothing else is said of it: a threshold of 100 % would let it pass.
    assert filled.outcome.threshold == 1
    assert {r.outcome.status for r in limits} == {Status.NOT_APPLICABLE}


def test_a_field_without_any_value_is_not_applicable_where_that_is_declared() -> None:
    declared = {("drug_exposure", "days_supply")}
    results = judged_as_declared(of_days_supply(None, None), declared)

    assert {r.outcome.status for r in results} == {Status.NOT_APPLICABLE}
    assert results[0].outcome.message == "nothing to check: declared empty"


def test_a_declaration_excuses_no_value_that_is_there() -> None:
    declared = {("drug_exposure", "days_supply")}
    filled, low, high = judged_as_declared(of_days_supply(None, 30, 366), declared)

    assert (filled.outcome.status, filled.outcome.violations) == (Status.PASSED, 1)
    assert low.outcome.status is Status.PASSED
    assert (high.outcome.status, high.outcome.violations) == (Status.FAILED, 1)


def test_an_empty_table_is_no_empty_field() -> None:
    results = judged_as_declared(of_days_supply(), declared=())

    assert {r.outcome.status for r in results} == {Status.NOT_APPLICABLE}


def test_dates_are_of_the_past_on_the_day_that_is_given() -> None:
    check = check_of("plausibleValueHigh", "death", "death_date")
    cdm = tiny_cdm({"death": [{"person_id": 1, "death_date": date(2026, 7, 3)}]})

    assert run_step(cdm, [check])[0].outcome.violations == 1
