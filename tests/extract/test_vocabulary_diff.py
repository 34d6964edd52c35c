"""What changes from one vocabulary to another: sets, the marts made with them, persons."""

from pathlib import Path

import duckdb
import pytest

from pumasi.errors import VocabularyError
from pumasi.extract import vocabulary_diff
from pumasi.omop import PROJECT_VOCABULARY
from tests.extract.extracts import write_files


def copy_of_project(tmp_path: Path, drop: str = "", pairs: str = "") -> str:
    """The project's vocabulary in another folder, without a concept, with more ancestors."""
    files = {path.name: path.read_text() for path in PROJECT_VOCABULARY.glob("*.csv")}
    lines = files["concept.csv"].splitlines(keepends=True)
    files["concept.csv"] = "".join(line for line in lines if not line.startswith(f"{drop}\t"))
    files["concept_ancestor.csv"] += pairs
    return str(write_files(tmp_path / "other", dict(files)))


def test_the_same_vocabulary_changes_nothing(tmp_path: Path) -> None:
    difference = vocabulary_diff("project", copy_of_project(tmp_path))
    assert (difference.sets, difference.cohorts) == ((), ())


def test_a_new_descendant_enters_sets_and_the_marts_that_use_them(tmp_path: Path) -> None:
    other = copy_of_project(tmp_path, pairs="317009\t257007\t1\t1\tD\n")
    difference = vocabulary_diff("project", other)
    sets = {each.name: each for each in difference.sets}
    assert sorted(sets) == ["any_asthma", "charlson_chronic_pulmonary", "pl_334_asthma"]
    change = sets["any_asthma"]
    assert (change.lost, change.gained, change.missing) == ((), (257007,), ())
    assert change.concepts_after == change.concepts_before + 1
    assert change.persons_before is None
    cohorts = {each.name: each.sets for each in difference.cohorts}
    assert "any_asthma" in cohorts["asthma__cohort"]
    assert "gi_bleed__new_users" not in cohorts


def test_a_listed_concept_that_is_gone_is_said(tmp_path: Path) -> None:
    difference = vocabulary_diff("project", copy_of_project(tmp_path, drop="1118084"))
    (change,) = [each for each in difference.sets if each.name == "celecoxib"]
    # What is listed stays a member; without its row no code leads to it.
    assert (change.lost, change.gained, change.missing) == ((), (), (1118084,))
    cohorts = [each.name for each in difference.cohorts]
    assert "gi_bleed__new_users" in cohorts
    assert "asthma__cohort" not in cohorts


def test_persons_are_counted_once_per_set_and_mart(tmp_path: Path) -> None:
    other = copy_of_project(tmp_path, pairs="317009\t257007\t1\t1\tD\n")
    with duckdb.connect() as warehouse:
        warehouse.execute("create schema omop; create schema marts")
        for table, column in {
            "person": "gender_concept_id",
            "visit_occurrence": "visit_concept_id",
            "drug_exposure": "drug_concept_id",
            "procedure_occurrence": "procedure_concept_id",
            "measurement": "measurement_concept_id",
            "observation": "observation_concept_id",
        }.items():
            warehouse.execute(f"create table omop.{table} (person_id bigint, {column} integer)")
        warehouse.execute(
            "create table omop.condition_occurrence as select i % 20 as person_id, "
            "case when i % 20 < 12 then 317009 else 257007 end as condition_concept_id "
            "from range(60) r(i)"
        )
        warehouse.execute(
            "create table marts.asthma__cohort as select i as person_id from range(15) r(i)"
        )
        difference = vocabulary_diff("project", other, warehouse)
    (change,) = [each for each in difference.sets if each.name == "any_asthma"]
    assert (change.persons_before, change.persons_after) == (12, 20)
    persons = {each.name: each.persons for each in difference.cohorts}
    assert persons["asthma__cohort"] == 3


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(VocabularyError, match=f"^vocabulary {tmp_path}/nowhere: "):
        vocabulary_diff("project", f"{tmp_path}/nowhere")
