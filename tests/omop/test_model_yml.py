"""The property files of the CDM's models: in step with the specification, and what they promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pumasi.config import project_root
from pumasi.omop import cdm_tables, has_source, tables_without_source
from pumasi.omop.model_yml import column_type, model_file, model_yml, write_model_yml

MODELS = project_root() / "dbt_project" / "models" / "omop"


def columns(table: str) -> dict[str, dict[str, Any]]:
    (model,) = yaml.safe_load(model_yml(cdm_tables()[table]))["models"]
    assert model["name"] == table
    return {column["name"]: column for column in model["columns"]}


@pytest.mark.parametrize("table", cdm_tables())
def test_the_committed_file_is_the_one_that_is_written(table: str) -> None:
    """To accept a change: `python -m pumasi.omop.model_yml`."""
    file = model_file(cdm_tables()[table])
    assert (project_root() / file).read_text(encoding="utf-8") == model_yml(cdm_tables()[table])


def test_every_table_is_a_model_and_no_model_is_anything_else() -> None:
    written = {project_root() / model_file(table) for table in cdm_tables().values()}
    assert {path.with_suffix(".yml") for path in MODELS.rglob("*.sql")} == written
    assert set(MODELS.rglob("*.yml")) == written


def test_all_files_are_written_at_once(tmp_path: Path) -> None:
    for table in cdm_tables().values():
        (tmp_path / model_file(table)).parent.mkdir(parents=True, exist_ok=True)
    write_model_yml(tmp_path)
    assert len(list(tmp_path.rglob("*.yml"))) == 39


def test_keys_are_wide_and_concepts_are_not() -> None:
    types = {
        f"{table.name}.{field.name}": column_type(field)
        for table in cdm_tables().values()
        for field in table.fields
    }
    for name in ("person.person_id", "measurement.measurement_event_id", "cohort.subject_id"):
        assert types[name] == "bigint"
    assert types["fact_relationship.fact_id_1"] == "bigint"
    for name in ("fact_relationship.domain_concept_id_1", "concept_ancestor.ancestor_concept_id"):
        assert types[name] == "integer"
    assert types["person.year_of_birth"] == types["drug_exposure.refills"] == "integer"
    assert types["domain.domain_id"] == types["cost.cost_domain_id"] == "varchar"
    assert types["specimen.quantity"] == "double"
    assert types["visit_detail.visit_detail_start_datetime"] == "timestamp"
    assert set(types.values()) == {"bigint", "integer", "double", "varchar", "date", "timestamp"}


def test_required_fields_keys_and_references_are_tested() -> None:
    condition = columns("condition_occurrence")
    reference = {"arguments": {"to": "ref('person')", "field": "person_id"}}
    assert condition["condition_occurrence_id"]["data_tests"] == ["not_null", "unique"]
    assert condition["person_id"]["data_tests"] == ["not_null", {"relationships": reference}]
    assert condition["condition_concept_id"]["data_tests"] == ["not_null"]
    assert "data_tests" not in condition["condition_end_date"]
    assert columns("death")["person_id"]["data_tests"][:2] == ["not_null", "unique"]


def test_of_the_vocabulary_only_keys_are_tested() -> None:
    tested = {name: c["data_tests"] for name, c in columns("concept").items() if "data_tests" in c}
    assert tested == {"concept_id": ["not_null", "unique"]}


def test_a_table_without_a_source_has_its_contract_alone() -> None:
    without = [name for name in cdm_tables() if not has_source(name)]
    assert "cohort" in without
    for name in without:
        assert not any("data_tests" in column for column in columns(name).values())


def test_a_field_that_is_never_filled_says_why() -> None:
    text = columns("note")["note_text"]
    assert text["description"] == "Always empty: free text stays at the source."
    assert "data_tests" not in text


def test_a_format_that_nobody_knows_has_no_list() -> None:
    assert "metadata" in tables_without_source("omop_cdm")
    assert "person" not in tables_without_source("fhir_r4")
    with pytest.raises(KeyError):
        tables_without_source("paper")
