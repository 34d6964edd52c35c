"""From the export of a Korean hospital to OMOP: mapping, rules, days of knowledge, the worklist."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pumasi.compiled import CompiledProject
from pumasi.config import SitePaths
from tests.extract.extracts import HOSPITAL, site_of, write_files
from tests.hospital import ingest

MAPPING = """\
source_code,source_concept_id,source_vocabulary_id,source_code_description,target_concept_id,\
target_vocabulary_id,valid_start_date,valid_end_date,invalid_reason
J459,0,KCD7,asthma,317009,SNOMED,2016-01-01,2099-12-31,
E752,0,KCD8,sphingolipidosis,2000000212,PUMASI,2021-01-01,2099-12-31,
SIM-EDI-000001,0,LOCAL_ORDER,salbutamol,1154343,RxNorm,2012-01-01,2099-12-31,
SIM-LAB-0002,0,LOCAL_LAB,eosinophils in %,3010457,LOINC,2012-01-01,2099-12-31,
SIM-LAB-0003,0,LOCAL_LAB,leukocytes,3000905,LOINC,2012-01-01,2099-12-31,
SIM-LAB-0024,0,LOCAL_LAB,GLA,2000000004,PUMASI,2012-01-01,2099-12-31,
SIM-LAB-0099,0,LOCAL_LAB,a test of the house,0,None,2012-01-01,2099-12-31,
uncertain,0,LOCAL_VALUE,VUS,2000000102,PUMASI,2012-01-01,2099-12-31,
k/uL,0,LOCAL_UNIT,thousand per microlitre,8848,UCUM,2012-01-01,2099-12-31,
PO,0,LOCAL_ROUTE,by mouth,4132161,SNOMED,2012-01-01,2099-12-31,
SIM-OBS-0002,0,LOCAL_PROCEDURE,genetics visit,2000000401,PUMASI,2012-01-01,2099-12-31,
"""
MORE_LABS = (
    "R0003,10000001,E0001,SIM-LAB-0003,20190102,2019-01-04 15:00,7.5,,k/uL\n"
    "R0004,10000001,E0001,SIM-LAB-0099,20190102,2019-01-04 15:00,1,,mg\n"
)
MORE_DIAGNOSES = "D0003,10000001,E0001,R42,KCD8,S,20190102,2019-01-02 09:00\n"
MORE_PROCEDURES = "P0002,10000001,E0001,SIM-OBS-0002,20190102,2019-01-02 12:00\n"
FILES = HOSPITAL | {
    "lab_results.csv": HOSPITAL["lab_results.csv"] + MORE_LABS,
    "diagnoses.csv": HOSPITAL["diagnoses.csv"] + MORE_DIAGNOSES,
    "procedures.csv": HOSPITAL["procedures.csv"] + MORE_PROCEDURES,
}

Warehouse = Callable[..., duckdb.DuckDBPyConnection]


@pytest.fixture
def warehouse(hospital_project: CompiledProject, tmp_path: Path) -> Warehouse:
    """The warehouse of these files, this mapping and this vocabulary."""

    def built(
        mapping: str = MAPPING, vocabulary: dict[str, str] | None = None
    ) -> duckdb.DuckDBPyConnection:
        home = tmp_path / f"home{len(list(tmp_path.iterdir()))}"
        folder = write_files(home / "source", FILES)
        write_files(home, {"map.csv": mapping})
        config = site_of(
            folder,
            "hospital_csv",
            date(2021, 1, 1),
            vocabulary=vocabulary or {"source": "project"},
            mapping={"url": str(home / "map.csv")},
            values={"lab_results.value_text": ("uncertain",)},
        )
        paths: SitePaths = ingest(config, home)
        return hospital_project.build(paths)

    return built


def rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()


def test_diagnoses_drugs_and_results_come_by_the_mapping(warehouse: Warehouse) -> None:
    connection = warehouse()
    assert rows(
        connection,
        "select condition_concept_id, condition_source_value from omop.condition_occurrence "
        "order by 2",
    ) == [(317009, "J45.9"), (0, "R42")]
    assert rows(
        connection,
        "select drug_concept_id, quantity, days_supply, route_concept_id, "
        "drug_exposure_end_date from omop.drug_exposure",
    ) == [(1154343, 60.0, 30, 4132161, date(2019, 1, 31))]
    assert rows(
        connection,
        "select measurement_concept_id, value_as_number, value_as_concept_id, unit_concept_id "
        "from omop.measurement order by measurement_source_value",
    ) == [
        (3010457, 4.0, None, 8554),
        (3000905, 7.5, None, 8848),
        (2000000004, None, 2000000102, None),
        (0, 1.0, None, 8576),
    ]
    assert rows(connection, "select observation_concept_id from omop.observation") == [
        (2000000401,)
    ]
    assert rows(connection, "select procedure_concept_id from omop.procedure_occurrence") == [(0,)]
    assert rows(
        connection, "select visit_concept_id, visit_source_value from omop.visit_occurrence"
    ) == [(9202, "O")]
    assert rows(connection, "select gender_concept_id from omop.person order by 1") == [
        (8507,),
        (8532,),
    ]


def test_what_is_to_be_ruled_out_is_no_condition_and_has_a_fate(warehouse: Warehouse) -> None:
    connection = warehouse()
    assert rows(
        connection,
        "select line_no, fate, rule from intermediate.int_row_fates "
        "where source_table = 'diagnoses' order by 1",
    ) == [
        (2, "in_omop", None),
        (3, "not_mapped", "only_to_be_ruled_out"),
        (4, "in_omop", None),
    ]


def test_a_result_is_known_when_it_is_reported_and_a_diagnosis_when_recorded(
    warehouse: Warehouse,
) -> None:
    connection = warehouse()
    assert rows(
        connection,
        "select event_date, known_date from intermediate.int_measurements order by 2",
    ) == [
        (date(2019, 1, 2), date(2019, 1, 2)),
        (date(2019, 1, 2), date(2019, 1, 4)),
        (date(2019, 1, 2), date(2019, 1, 4)),
        (date(2019, 1, 2), date(2019, 1, 12)),
    ]
    assert rows(
        connection, "select known_date from intermediate.int_condition_occurrences order by 1"
    ) == [(date(2019, 1, 2),), (date(2019, 1, 3),)]
    assert rows(connection, "select known_date from intermediate.int_drug_exposures") == [
        (date(2019, 1, 2),)
    ]


def test_persons_are_observed_from_the_first_visit_to_death_or_the_end(
    warehouse: Warehouse,
) -> None:
    assert rows(
        warehouse(),
        "select observation_period_start_date, observation_period_end_date "
        "from omop.observation_period",
    ) == [(date(2019, 1, 2), date(2021, 1, 1))]


def test_a_share_of_eosinophils_becomes_a_count(warehouse: Warehouse) -> None:
    assert rows(
        warehouse(),
        "select measurement_concept_id, value_as_number, unit, known_date, rule "
        "from intermediate.int_measurements_standardised "
        "where delivered_concept_id = 3010457",
    ) == [(3028615, 300.0, "/uL", date(2019, 1, 4), "share_of_leukocytes")]


def test_the_worklist_names_what_has_no_concept(warehouse: Warehouse) -> None:
    assert rows(
        warehouse(),
        "select source_table, source_code, source_code_description, records, "
        "round(share_of_table, 2) from intermediate.int_unmapped_codes order by all",
    ) == [
        ("diagnoses", "R42", None, 1, 0.5),
        ("lab_results", "SIM-LAB-0099", "a test of the house", 1, 0.25),
        ("procedures", "SIM-PROC-0001", None, 1, 0.5),
    ]


def test_a_changed_mapping_maps_other_rows(warehouse: Warehouse) -> None:
    """Without its row the asthma of the hospital keeps its record, with no concept."""
    connection = warehouse(MAPPING.replace("J459,0,KCD7", "J458,0,KCD7"))
    assert rows(connection, "select condition_concept_id from omop.condition_occurrence") == [
        (0,),
        (0,),
    ]


def test_a_folder_of_others_builds_the_same(
    warehouse: Warehouse, shared_data: Path, tmp_path: Path
) -> None:
    """The shard in Athena's place: the same concepts by the same mapping, local ones included."""
    shard = {"source": "folder", "url": str(shared_data / "vocabulary_shard")}
    # The shard has no concept for a route, which a full download has.
    mapping = MAPPING.replace("PO,0,LOCAL_ROUTE,by mouth,4132161", "PO,0,LOCAL_ROUTE,by mouth,0")
    query = (
        "select measurement_concept_id as id from omop.measurement union all "
        "select condition_concept_id from omop.condition_occurrence union all "
        "select drug_concept_id from omop.drug_exposure union all "
        "select observation_concept_id from omop.observation order by id"
    )
    ours = rows(warehouse(mapping), query)
    assert rows(warehouse(mapping, shard), query) == ours
    assert len(ours) == 8
