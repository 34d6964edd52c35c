"""A FHIR row of a patient who is not there is in quarantine with its place, and nowhere in OMOP."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import pytest

from pumasi.compiled import CompiledProject
from tests.hospital import (
    ASTHMA,
    CELECOXIB,
    GUIDANCE,
    WEIGHT,
    TinyHospital,
    ingest,
    tiny_site,
    write_vocabulary,
)

DAY = "2018-03-01"
EVENTS = ("encounter", "condition", "medication_request", "procedure", "observation")


def two_patients() -> TinyHospital:
    """Everything happens to two patients alike; one of them is not in the extract."""
    hospital = TinyHospital()
    hospital.add_person("here", born="1960-01-15", sex="female")
    for person in ("here", "not_here"):
        visit = hospital.add_visit(person, DAY)
        hospital.add_condition(person, ASTHMA, DAY, DAY, visit)
        hospital.add_drug(person, CELECOXIB, DAY, days=30)
        hospital.add_procedure(person, GUIDANCE, DAY)
        hospital.add_measurement(person, WEIGHT, DAY, 60.0, "kg")
    return hospital


@pytest.fixture(scope="module")
def built(
    tmp_path_factory: pytest.TempPathFactory, fhir_project: CompiledProject
) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse of that hospital."""
    folder: Path = tmp_path_factory.mktemp("references")
    two_patients().write(folder / "extract")
    write_vocabulary(folder / "vocabulary")
    paths = ingest(tiny_site(folder, date(2019, 6, 30)), folder / "home")
    with fhir_project.build(paths) as connection:
        yield connection


@pytest.mark.parametrize("table", EVENTS)
def test_its_fate_is_quarantine_and_names_its_line(
    built: duckdb.DuckDBPyConnection, table: str
) -> None:
    fates = built.execute(
        "select line_no, fate, rule from intermediate.int_row_fates "
        "where source_table = $1 order by line_no",
        [table],
    ).fetchall()
    lines = [line for line, _, _ in fates]
    assert [(fate, rule) for _, fate, rule in fates] == [
        ("in_omop", None),
        ("quarantined", "person_not_delivered"),
    ]
    # The place leads to the row: the second line of its file, which is still in raw.
    assert lines[1] == lines[0] + 1
    ((file_no, file),) = built.execute(
        "select distinct file_no, source_table from intermediate.int_row_fates "
        "where source_table = $1 and fate = 'quarantined'",
        [table],
    ).fetchall()
    assert file_no is not None
    assert file == table


@pytest.mark.parametrize(
    "table",
    [
        "visit_occurrence",
        "condition_occurrence",
        "drug_exposure",
        "procedure_occurrence",
        "measurement",
    ],
)
def test_it_is_not_in_omop_and_counted_as_lost(
    built: duckdb.DuckDBPyConnection, table: str
) -> None:
    found = built.execute(f"select count(*) from omop.{table}").fetchall()
    of_persons = built.execute(
        f"select count(*) from omop.{table} semi join omop.person using (person_id)"
    ).fetchall()
    assert found == of_persons == [(1,)]
    assert built.execute(
        "select rows_referring, rows_lost from intermediate.int_reference_losses "
        "where table_name = $1 and reference = 'person'",
        [table],
    ).fetchall() == [(2, 1)]
