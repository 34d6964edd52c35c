"""The tables of CDM 5.4: against the lists of OHDSI's CommonDataModel."""

from __future__ import annotations

import csv
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
        )
        for row in listed(shared_data, "Field")
    ]
    ours = [field for table in cdm_tables().values() for field in table.fields]
    assert len(ours) == 432
    assert {(f.table, f.name): f for f in ours} == {(f.table, f.name): f for f in theirs}


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
