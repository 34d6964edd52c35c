"""The tables of CDM 5.4: against the lists of OHDSI's CommonDataModel."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path

from pumasi.omop import CdmField, cdm_tables


def listed(shared_data: Path, level: str) -> list[dict[str, str]]:
    path = shared_data / "cdm_5.4" / f"OMOP_CDMv5.4_{level}_Level.csv"
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_tables_are_those_of_the_specification(shared_data: Path) -> None:
    theirs = {
        row["cdmTableName"]: (row["schema"], row["isRequired"] == "Yes")
        for row in listed(shared_data, "Table")
    }
    assert len(theirs) == 39
    assert {table.name: (table.schema, table.required) for table in cdm_tables().values()} == theirs


def test_every_field_is_as_the_specification_says(shared_data: Path) -> None:
    def stated(value: str) -> str | None:
        return None if value == "NA" else value

    def referred(value: str) -> str | None:
        return None if value == "NA" else value.lower()

    theirs = [
        CdmField(
            table=row["cdmTableName"],
            name=row["cdmFieldName"].strip('"'),
            data_type=row["cdmDatatype"].lower(),
            required=row["isRequired"] == "Yes",
            primary_key=row["isPrimaryKey"] == "Yes",
            foreign_table=referred(row["fkTableName"]),
            foreign_field=referred(row["fkFieldName"]),
            domain=stated(row["fkDomain"]),
            concept_class=stated(row["fkClass"]),
            description="",
            always_empty=None,
        )
        for row in listed(shared_data, "Field")
    ]
    ours = [
        replace(field, description="", always_empty=None)
        for table in cdm_tables().values()
        for field in table.fields
    ]
    assert len(ours) == 432
    assert {(f.table, f.name): f for f in ours} == {(f.table, f.name): f for f in theirs}
    assert {n: [f.name for f in ours if f.table == n] for n in cdm_tables()} == {
        n: [f.name for f in theirs if f.table == n] for n in cdm_tables()
    }


def test_a_key_refers_to_a_field_that_exists() -> None:
    tables = cdm_tables()
    for table in tables.values():
        assert sum(field.primary_key for field in table.fields) <= 1
        for field in table.fields:
            if field.foreign_table:
                fields = {other.name for other in tables[field.foreign_table].fields}
                assert field.foreign_field in fields
    assert tables["person"].primary_key == "person_id"
    assert tables["death"].primary_key is None


def test_every_table_says_what_a_row_of_it_is() -> None:
    for table in cdm_tables().values():
        assert re.search(r"\. One row per [^.]+\.$", table.description), table.name


def test_no_free_text_and_nothing_that_identifies_is_ever_filled() -> None:
    declared = {
        f"{field.table}.{field.name}"
        for table in cdm_tables().values()
        for field in table.fields
        if field.always_empty
    }
    assert declared >= {
        *("note.note_text", "note.note_title", "drug_exposure.sig"),
        *(f"note_nlp.{each}" for each in ("snippet", "lexical_variant", "term_exists")),
        *(f"note_nlp.{each}" for each in ("term_temporal", "term_modifiers")),
        *(f"location.{each}" for each in ("address_1", "address_2", "city", "zip")),
        *(f"location.{each}" for each in ("latitude", "longitude", "location_source_value")),
        *(f"provider.{each}" for each in ("provider_name", "npi", "dea")),
        *("person.day_of_birth", "person.birth_datetime", "person.person_source_value"),
    }
    assert "location.state" not in declared


def test_no_key_is_declared_empty() -> None:
    fields = [field for table in cdm_tables().values() for field in table.fields]
    assert not [f.name for f in fields if f.always_empty and f.primary_key]
