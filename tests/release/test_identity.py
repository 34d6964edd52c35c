"""The release id: what is part of it, and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from pumasi.errors import ReleaseError
from pumasi.release import transformation_hash, vocabulary_hash
from pumasi.release.identity import release_id


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in {
        "dbt_project.yml": "name: x",
        "models/omop/person.sql": "select 1",
        "macros/m.sql": "{% macro m() %}{% endmacro %}",
        "seeds/s.csv": "a,b",
        "tests/t.sql": "select 1",
        "target/manifest.json": "{}",
        "models/.hidden.sql": "x",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    "file", ["dbt_project.yml", "models/omop/person.sql", "macros/m.sql", "seeds/s.csv"]
)
def test_a_change_of_what_transforms_changes_the_hash(project: Path, file: str) -> None:
    before = transformation_hash(project)
    (project / file).write_text("changed")

    assert transformation_hash(project) != before


def test_a_moved_model_changes_the_hash(project: Path) -> None:
    before = transformation_hash(project)
    (project / "models/omop/person.sql").rename(project / "models/person.sql")

    assert transformation_hash(project) != before


@pytest.mark.parametrize("file", ["tests/t.sql", "target/manifest.json", "models/.hidden.sql"])
def test_tests_and_dbt_s_own_output_are_not_part_of_it(project: Path, file: str) -> None:
    before = transformation_hash(project)
    (project / file).write_text("changed")

    assert transformation_hash(project) == before


def test_a_folder_that_is_no_dbt_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"no dbt_project\.yml in "):
        transformation_hash(tmp_path)


def test_the_vocabulary_hash_is_read_from_its_manifest(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"no manifest\.json with a hash: load the vocabulary"):
        vocabulary_hash(tmp_path)
    (tmp_path / "manifest.json").write_text('{"hash": "abc"}')

    assert vocabulary_hash(tmp_path) == "abc"


def test_the_id_is_sixteen_hex_digits_over_every_part() -> None:
    tables = {"person": "c1", "death": "c2"}
    ids = {
        release_id(tables, "t", "v", None),
        release_id({**tables, "death": "c3"}, "t", "v", None),
        release_id({"person": "c2", "death": "c1"}, "t", "v", None),
        release_id(tables, "t2", "v", None),
        release_id(tables, "t", "v2", None),
        release_id(tables, "t", "v", "dbt"),
    }

    assert len(ids) == 6
    assert {len(found) for found in ids} == {16}
    assert release_id(dict(reversed(tables.items())), "t", "v", None) in ids
