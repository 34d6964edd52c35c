"""The project as plain SQL: what a mart is made of, and a dbt that fails or isn't there."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.quality.hospital import built, simulated
from pumasi.compiled import CompiledProject, Model, compile_project
from pumasi.config import project_root
from pumasi.config.environment import program_environment
from pumasi.errors import CompileError


def model(name: str, *parents: str) -> Model:
    return Model("marts", name, "view", "select 1 as one", parents)


PROJECT = CompiledProject(
    (),
    (
        model("source"),
        model("settled", "source", "codes"),
        model("mart", "settled", "sets"),
        model("other"),
    ),
    "/nowhere",
    Path("manifest.json"),
)


def test_what_is_given_is_not_needed_nor_what_only_it_is_made_of() -> None:
    assert PROJECT.needed(["mart"]) == {"mart", "settled", "source", "codes", "sets"}
    assert PROJECT.needed(["mart"], given=["settled"]) == {"mart", "sets"}
    assert PROJECT.needed(["settled"], given=["settled"]) == set()


def test_a_dbt_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match=r"for no_format: [^\x1b]*stg_no_format__"):
        compile_project("no_format", tmp_path)


def test_a_dbt_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none" / "python"))
    with pytest.raises(CompileError, match=r"dbt can't be started: .*No such file"):
        compile_project("fhir_r4", tmp_path)


def dbt_tests(home: Path) -> dict[str, dict[str, object]]:
    """What dbt itself says of each data test of the site in `home`, by the test's id."""
    target = home / "target"
    subprocess.run(
        [
            str(Path(sys.executable).with_name("dbt")),
            *("--quiet", "test", "--exclude-resource-type", "unit_test"),
            *("--profiles-dir", str(home / "dbt"), "--target-path", str(target)),
        ],
        cwd=project_root() / "dbt_project",
        env=program_environment() | {"DBT_LOG_PATH": str(home / "logs")},
        capture_output=True,
        check=False,
    )
    said = json.loads((target / "run_results.json").read_text(encoding="utf-8"))["results"]
    return {
        each["unique_id"]: {"status": each["status"], "failures": each["failures"]}
        for each in said
        if each["unique_id"].startswith("test.")
    }


@pytest.mark.slow
def test_data_tests_end_as_with_dbt_also_those_that_fail_warn_or_cannot_be_run(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    project = compile_project("hospital_csv", home, site="haneul")
    hospital = simulated("haneul", 1, 300, False, tmp_path, project)
    with built("haneul", hospital.deliveries, home, project) as build:
        paths = build.paths
    connection = project.build(paths, str(paths.warehouse))
    connection.execute("insert into omop.person from omop.person limit 3")
    connection.execute("delete from omop.visit_occurrence where visit_start_date < '2020-01-01'")
    connection.execute(
        "update intermediate.int_measurements_standardised set reason = 'unit_is_missing'"
    )
    connection.execute("drop table marts.core__charlson")
    found = project.test(connection, paths)
    connection.close()
    assert found == dbt_tests(home)
    ended = Counter(each["status"] for each in found.values())
    assert ended["pass"] > 400
    assert set(ended) == {"pass", "fail", "warn", "error"}
