"""The project as plain SQL: what a mart is made of, and a dbt that fails or isn't there."""

import sys
from pathlib import Path

import pytest

from pumasi.compiled import CompiledProject, Model, compile_project
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
