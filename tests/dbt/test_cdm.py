"""The built warehouse against the specification: every table, every field, order and types."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
import pytest

from pumasi.compiled import CompiledProject
from pumasi.config import SitePaths
from pumasi.omop import OPTIONAL_TABLES, cdm_tables, tables_without_source
from pumasi.omop.model_yml import column_type
from tests.dbt.test_records import FILES
from tests.extract.extracts import HOSPITAL, site_of, write_files
from tests.hospital import ASTHMA, TinyHospital, ingest, tiny_site, write_vocabulary

SQL_TYPES = {"integer": "INTEGER", "bigint": "BIGINT", "double": "DOUBLE", "varchar": "VARCHAR"}
SQL_TYPES |= {"date": "DATE", "timestamp": "TIMESTAMP"}
Built = tuple[str, duckdb.DuckDBPyConnection]


def fhir_site(folder: Path) -> SitePaths:
    hospital = TinyHospital()
    hospital.add_person("p1", died="2020-05-01")
    visit = hospital.add_visit("p1", "2020-03-04")
    hospital.add_condition("p1", ASTHMA, "2020-03-04", "2020-03-04", visit)
    hospital.write(folder / "extract")
    write_vocabulary(folder / "vocabulary")
    return ingest(tiny_site(folder, date(2021, 1, 1)), folder / "home")


def hospital_site(folder: Path) -> SitePaths:
    source = write_files(folder / "source", HOSPITAL)
    vocabulary = {"source": "project"}
    config = site_of(source, "hospital_csv", date(2021, 1, 1), vocabulary=vocabulary)
    return ingest(config, folder)


def omop_site(folder: Path) -> SitePaths:
    source = write_files(folder / "source", FILES)
    config = site_of(source, as_of=date(2021, 1, 1), vocabulary={"source": "project"})
    return ingest(config, folder)


MADE: dict[str, Callable[[Path], SitePaths]] = {
    "fhir_r4": fhir_site,
    "hospital_csv": hospital_site,
    "omop_cdm": omop_site,
}


@pytest.fixture(scope="module", params=MADE)
def built(
    request: pytest.FixtureRequest,
    fhir_project: CompiledProject,
    hospital_project: CompiledProject,
    omop_project: CompiledProject,
    tmp_path_factory: pytest.TempPathFactory,
) -> Built:
    projects = {
        "fhir_r4": fhir_project,
        "hospital_csv": hospital_project,
        "omop_cdm": omop_project,
    }
    paths = MADE[request.param](tmp_path_factory.mktemp(request.param))
    return request.param, projects[request.param].build(paths)


def test_every_table_has_the_fields_of_the_specification_in_its_order(built: Built) -> None:
    _, warehouse = built
    found = warehouse.execute(
        "select table_name, list((column_name, data_type) order by ordinal_position) "
        "from information_schema.columns where table_schema = 'omop' group by all"
    ).fetchall()
    assert {name: [tuple(each) for each in columns] for name, columns in found} == {
        table.name: [(field.name, SQL_TYPES[column_type(field)]) for field in table.fields]
        for table in cdm_tables().values()
    }


def test_what_has_no_source_has_no_row(built: Built) -> None:
    source_format, warehouse = built
    for table in sorted(tables_without_source(source_format)):
        assert warehouse.execute(f"select count(*) from omop.{table}").fetchall() == [(0,)], table
    assert warehouse.execute("select count(*) from omop.person").fetchall() != [(0,)]


def test_a_site_of_omop_tables_fills_what_the_format_has(built: Built) -> None:
    source_format, warehouse = built
    if source_format == "omop_cdm":
        for table in sorted(OPTIONAL_TABLES - tables_without_source(source_format)):
            assert warehouse.execute(f"select count(*) > 0 from omop.{table}").fetchall() == [
                (True,)
            ], table


def test_what_is_declared_always_empty_holds_no_value(built: Built) -> None:
    _, warehouse = built
    for table in cdm_tables().values():
        for field in table.fields:
            if field.always_empty:
                found = warehouse.execute(f'select count("{field.name}") from omop.{table.name}')
                assert found.fetchall() == [(0,)], f"{table.name}.{field.name}"
