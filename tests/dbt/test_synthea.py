"""From Synthea's files to OMOP: devices, supplies, insurance, organizations and providers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date

import duckdb
import pytest

from pumasi.compiled import CompiledProject
from tests.extract.extracts import SYNTHEA, site_of, write_files
from tests.hospital import ingest

VISIT = "aaa-1,eee-1"
FILES = SYNTHEA | {
    "encounters.csv": "Id,START,STOP,PATIENT,ORGANIZATION,PROVIDER,ENCOUNTERCLASS,CODE\n"
    "eee-1,2019-01-02T10:20:30Z,2019-01-02T10:35:30Z,aaa-1,ooo-1,ddd-1,ambulatory,185345009\n",
    "devices.csv": "START,STOP,PATIENT,ENCOUNTER,CODE,DESCRIPTION,UDI\n"
    f"2019-01-02T10:20:30Z,,{VISIT},705643001,Stent,UDI-1\n",
    "supplies.csv": "DATE,PATIENT,ENCOUNTER,CODE,DESCRIPTION,QUANTITY\n"
    f"2019-01-02,{VISIT},409534002,Respirator,2\n",
    "payer_transitions.csv": "PATIENT,MEMBERID,START_YEAR,END_YEAR,PAYER,OWNERNAME\n"
    "aaa-1,m-1,2018-02-03T04:05:06Z,2019-02-03T04:05:06Z,ppp-1,Ada Byron\n"
    "zzz-9,m-2,2018-02-03T04:05:06Z,2019-02-03T04:05:06Z,ppp-1,Nobody\n",
    "organizations.csv": "Id,NAME,ADDRESS,CITY,STATE\nooo-1,HOUSE OF HEALTH,1 Old Lane,Town,MA\n",
    "providers.csv": "Id,ORGANIZATION,NAME,GENDER,SPECIALITY,ADDRESS\n"
    "ddd-1,ooo-1,Jo Stone,F,GENERAL PRACTICE,1 Old Lane\n",
}


@pytest.fixture(scope="module")
def built(
    synthea_project: CompiledProject, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[duckdb.DuckDBPyConnection]:
    folder = tmp_path_factory.mktemp("synthea")
    source = write_files(folder / "source", FILES)
    config = site_of(
        source,
        "synthea_csv",
        date(2021, 1, 1),
        vocabulary={"source": "project"},
        values={"providers.speciality": ("GENERAL PRACTICE",)},
    )
    with closing(synthea_project.build(ingest(config, folder))) as connection:
        yield connection


def test_devices_and_supplies_are_device_exposures_of_their_visit(
    built: duckdb.DuckDBPyConnection,
) -> None:
    assert built.execute(
        "select device_source_value, device_exposure_start_date, quantity, unique_device_id, "
        "visit_concept_id from omop.device_exposure "
        "join omop.visit_occurrence using (visit_occurrence_id) order by all"
    ).fetchall() == [
        ("409534002", date(2019, 1, 2), 2, None, 9202),
        ("705643001", date(2019, 1, 2), None, None, 9202),
    ]


def test_a_visit_names_its_provider_and_its_organization(
    built: duckdb.DuckDBPyConnection,
) -> None:
    assert built.execute(
        "select gender_concept_id, specialty_source_value, provider_name, care_site_name "
        "from omop.visit_occurrence as visit "
        "join omop.provider as provider on visit.provider_id = provider.provider_id "
        "join omop.care_site as site on visit.care_site_id = site.care_site_id "
        "and provider.care_site_id = site.care_site_id"
    ).fetchall() == [(8532, "GENERAL PRACTICE", None, None)]


def test_a_span_of_insurance_belongs_to_somebody_who_is_there(
    built: duckdb.DuckDBPyConnection,
) -> None:
    assert built.execute(
        "select payer_plan_period_start_date, payer_plan_period_end_date, payer_source_value "
        "from omop.payer_plan_period"
    ).fetchall() == [(date(2018, 2, 3), date(2019, 2, 3), "ppp-1")]
    assert built.execute(
        "select rows_referring, rows_lost from intermediate.int_reference_losses "
        "where table_name = 'payer_plan_period'"
    ).fetchall() == [(2, 1)]


def test_every_row_has_one_fate(built: duckdb.DuckDBPyConnection) -> None:
    fates = built.execute(
        "select source_table, count(*) from intermediate.int_row_fates group by all"
    ).fetchall()
    assert dict(fates) == {
        name.removesuffix(".csv"): text.count("\n") - 1 for name, text in FILES.items()
    }
