"""dbt's own files as outcomes: from a real dbt project, tested once for all tests here."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from pumasi.errors import ReleaseError
from pumasi.quality import Outcome, Severity, Status, dbt_outcomes

PROJECT = {
    "dbt_project.yml": """
        name: tiny
        profile: tiny
        model-paths: [models]
        macro-paths: [macros]
        test-paths: [tests]
        flags: {send_anonymous_usage_stats: false}
    """,
    "profiles.yml": """
        tiny: {target: dev, outputs: {dev: {type: duckdb, path: tiny.duckdb}}}
    """,
    "models/person.sql": """
        select 1 as person_id, 8507 as gender union all select 1, 8532
        union all select null, 1 union all select 4, 8507
    """,
    "models/visits__kept.sql": """
        select 1 as visit_id, 1 as person_id, 'x' as kind
        union all select 2, 77, 'y' union all select 3, 4, null
        from {{ ref('person') }} where person_id = 4
    """,
    "models/death.sql": "select 1 as person_id where false",
    "models/models.yml": """
        models:
          - name: person
            columns:
              - name: person_id
                data_tests: [unique, not_null]
              - name: gender
                data_tests:
                  - accepted_values: {arguments: {values: [8507, 8532], quote: false}}
          - name: visits__kept
            data_tests:
              - holds:
                  name: visits__kept_have_a_low_number
                  arguments: {expression: visit_id < 3}
                  config: {severity: warn, meta: {category: plausibility}}
              - holds:
                  name: visits__kept_can_be_asked
                  arguments: {expression: no_such_column < 3}
            columns:
              - name: person_id
                data_tests:
                  - relationships:
                      arguments: {to: ref('person'), field: person_id}
              - name: kind
                data_tests:
                  - not_null: {config: {where: visit_id = 1}}
                  - not_null:
                      name: visits__kept_name_their_kind
                      config: {where: visit_id = 3}
          - name: death
            columns:
              - name: person_id
                data_tests: [not_null]
        unit_tests:
          - name: a_unit_test
            model: death
            given: []
            expect: {rows: []}
    """,
    "tests/nobody_is_a_ghost.sql": "select * from {{ ref('person') }} where person_id = 4",
    "macros/holds.sql": """
        {% test holds(model, expression) %}
        select * from {{ model }} where not ({{ expression }})
        {% endtest %}
    """,
}
ROWS = {"person": 4, "visits__kept": 3, "death": 0}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The target folder of a project whose tests were run as data: `dbt build` goes on failing."""
    folder = tmp_path_factory.mktemp("dbt")
    for name, text in PROJECT.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(dedent(text))
    dbt = [str(Path(sys.executable).with_name("dbt")), "--no-use-colors"]
    for command in ("run", "test"):
        subprocess.run([*dbt, command], cwd=folder, capture_output=True, check=False)
    return folder / "target"


@pytest.fixture(scope="module")
def outcomes(target: Path) -> dict[str, Outcome]:
    found = dbt_outcomes(target / "run_results.json", target / "manifest.json", ROWS, {"death"})
    assert len({outcome.name for outcome in found}) == len(found)
    return {outcome.name: outcome for outcome in found}


@pytest.mark.parametrize(
    ("name", "status", "violations", "denominator"),
    [
        ("person.person_id_is_unique", Status.FAILED, 1, 4),
        ("person.person_id_is_present", Status.FAILED, 1, 4),
        ("person.gender_is_an_accepted_value", Status.FAILED, 1, 4),
        ("person.nobody_is_a_ghost", Status.FAILED, 1, 4),
        ("visits__kept.person_id_is_in_person", Status.FAILED, 1, 3),
        ("visits__kept.have_a_low_number", Status.FAILED, 1, 3),
        ("visits__kept.can_be_asked", Status.ERROR, None, None),
        ("visits__kept.name_their_kind", Status.FAILED, 1, 3),
        ("death.person_id_is_present", Status.NOT_APPLICABLE, 0, 0),
    ],
)
def test_a_test_becomes_an_outcome_with_a_sentence_for_a_name(
    outcomes: dict[str, Outcome],
    name: str,
    status: Status,
    violations: int | None,
    denominator: int | None,
) -> None:
    found = outcomes[name]

    assert (found.status, found.violations, found.denominator) == (status, violations, denominator)
    assert (found.table, found.source) == (name.partition(".")[0], "dbt")


def test_every_data_test_is_an_outcome_and_no_unit_test_is(outcomes: dict[str, Outcome]) -> None:
    assert len(outcomes) == 10
    assert not [name for name in outcomes if "a_unit_test" in name]


def test_two_tests_that_would_be_called_the_same_keep_dbt_s_names(
    outcomes: dict[str, Outcome],
) -> None:
    (other,) = (name for name in outcomes if name.startswith("visits__kept.not_null"))

    assert other == "visits__kept.not_null_visits__kept_kind"
    assert outcomes[other].status is Status.PASSED


def test_severity_and_category_are_those_of_the_test(outcomes: dict[str, Outcome]) -> None:
    warned = outcomes["visits__kept.have_a_low_number"]

    assert (warned.severity, warned.category) == (Severity.WARN, "plausibility")
    assert outcomes["person.person_id_is_unique"].severity is Severity.ERROR
    assert outcomes["person.person_id_is_unique"].category == "conformance"
    assert outcomes["person.person_id_is_present"].category == "completeness"


def test_an_error_of_dbt_does_not_repeat_its_message(outcomes: dict[str, Outcome]) -> None:
    assert outcomes["visits__kept.can_be_asked"].message == (
        "could not be checked: dbt ended this test with status 'error'"
    )


def test_a_table_of_unknown_size_has_no_denominator(target: Path) -> None:
    found = dbt_outcomes(target / "run_results.json", target / "manifest.json", {})

    assert {outcome.denominator for outcome in found} == {None}
    assert {o.status for o in found if o.violations} == {Status.FAILED}


def test_a_test_without_result_was_not_run_and_is_an_error(target: Path, tmp_path: Path) -> None:
    results = json.loads((target / "run_results.json").read_text())
    results["results"] = [r for r in results["results"] if ".unique_" not in r["unique_id"]]
    (tmp_path / "run_results.json").write_text(json.dumps(results))

    found = {
        outcome.name: outcome
        for outcome in dbt_outcomes(tmp_path / "run_results.json", target / "manifest.json", ROWS)
    }

    unrun = found["person.person_id_is_unique"]
    assert (unrun.status, unrun.message) == (
        Status.ERROR,
        "could not be checked: dbt has no result for this test",
    )


def test_a_skipped_test_is_an_error(target: Path, tmp_path: Path) -> None:
    shutil.copy(target / "manifest.json", tmp_path)
    results = json.loads((target / "run_results.json").read_text())
    for result in results["results"]:
        result.update(status="skipped", failures=None)
    (tmp_path / "run_results.json").write_text(json.dumps(results))

    found = dbt_outcomes(tmp_path / "run_results.json", tmp_path / "manifest.json", ROWS)

    assert {outcome.status for outcome in found} == {Status.ERROR}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "dbt left no run_results.json: run `dbt test` on this site"),
        ("{", "dbt's run_results.json is no JSON: run `dbt test` again"),
        ("[]", "dbt's run_results.json is not what dbt writes: run `dbt test` again"),
    ],
)
def test_files_that_are_not_dbt_s_are_refused(
    target: Path, tmp_path: Path, content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "run_results.json").write_text(content)

    with pytest.raises(ReleaseError) as caught:
        dbt_outcomes(tmp_path / "run_results.json", target / "manifest.json", ROWS)
    assert str(caught.value) == message
