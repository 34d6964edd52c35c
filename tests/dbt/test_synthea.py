"""From Synthea's files to OMOP: devices, supplies, insurance, costs, organizations, providers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest

from pumasi.compiled import CompiledProject
from pumasi.config import SiteConfig
from pumasi.withdrawal import withdraw
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
    "claims_transactions.csv": "ID,CLAIMID,PATIENTID,TYPE,AMOUNT,METHOD,PAYMENTS,APPOINTMENTID\n"
    "t-1,c-1,aaa-1,CHARGE,77.49,,,eee-1\n"
    "t-2,c-1,aaa-1,PAYMENT,,COPAY,20,eee-1\n"
    "t-3,c-1,aaa-1,PAYMENT,,ECHECK,50.49,eee-1\n"
    "t-4,c-1,aaa-1,TRANSFERIN,7,,,eee-1\n"
    "t-5,c-1,aaa-1,PAYMENT,,CASH,7,eee-1\n"
    "t-6,c-1,aaa-1,PAYMENT,,BARTER,1,eee-1\n"
    "t-7,c-2,aaa-1,CHARGE,9,,,eee-9\n"
    "t-8,c-3,zzz-9,CHARGE,9,,,eee-1\n"
    "t-9,c-4,aaa-1,CHARGE,many,,,eee-1\n",
    "organizations.csv": "Id,NAME,ADDRESS,CITY,STATE\nooo-1,HOUSE OF HEALTH,1 Old Lane,Town,MA\n",
    "providers.csv": "Id,ORGANIZATION,NAME,GENDER,SPECIALITY,ADDRESS\n"
    "ddd-1,ooo-1,Jo Stone,F,GENERAL PRACTICE,1 Old Lane\n",
}


def site(folder: Path) -> SiteConfig:
    """A site whose extract has these files."""
    return site_of(
        write_files(folder / "source", FILES),
        "synthea_csv",
        date(2021, 1, 1),
        vocabulary={"source": "project"},
        values={"providers.speciality": ("GENERAL PRACTICE",)},
    )


@pytest.fixture(scope="module")
def built(
    synthea_project: CompiledProject, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[duckdb.DuckDBPyConnection]:
    folder = tmp_path_factory.mktemp("synthea")
    with closing(synthea_project.build(ingest(site(folder), folder))) as connection:
        yield connection


def test_devices_and_supplies_are_device_exposures_of_their_visit(
    built: duckdb.DuckDBPyConnection,
) -> None:
    assert built.execute(
        "select device_source_value, device_exposure_start_date, quantity, unique_device_id, "
        "visit_concept_id, device_type_concept_id from omop.device_exposure "
        "join omop.visit_occurrence using (visit_occurrence_id) order by all"
    ).fetchall() == [
        ("409534002", date(2019, 1, 2), 2, None, 9202, 32817),
        ("705643001", date(2019, 1, 2), None, None, 9202, 32817),
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


def test_a_cost_is_what_was_charged_or_paid_for_a_visit(built: duckdb.DuckDBPyConnection) -> None:
    columns = "total_charge, total_paid, paid_by_payer, paid_by_patient, paid_patient_copay"
    assert built.execute(
        f"select cost_domain_id, visit_concept_id, {columns} from omop.cost "
        "join omop.visit_occurrence on cost_event_id = visit_occurrence_id order by all"
    ).fetchall() == [
        ("Visit", 9202, 77.49, None, None, None, None),
        ("Visit", 9202, None, 1.0, None, None, None),
        ("Visit", 9202, None, 7.0, None, 7.0, None),
        ("Visit", 9202, None, 20.0, None, 20.0, 20.0),
        ("Visit", 9202, None, 50.49, 50.49, None, None),
        ("Visit", 9202, None, None, None, None, None),  # an amount that is no number
    ]


def test_a_cost_without_its_person_or_its_visit_waits(built: duckdb.DuckDBPyConnection) -> None:
    assert built.execute(
        "select fate, rule, count(*) from intermediate.int_row_fates "
        "where source_table = 'claims_transactions' group by all order by all"
    ).fetchall() == [
        ("in_omop", None, 6),
        ("not_mapped", "no_charge_or_payment", 1),
        ("quarantined", "person_not_delivered", 1),
        ("quarantined", "record_not_delivered", 1),
    ]
    assert built.execute(
        "select reference, rows_referring, rows_lost from intermediate.int_reference_losses "
        "where table_name = 'cost' order by all"
    ).fetchall() == [("person", 8, 1), ("record", 7, 1)]


def test_who_withdraws_leaves_the_costs(synthea_project: CompiledProject, tmp_path: Path) -> None:
    config = site(tmp_path)
    paths = ingest(config, tmp_path)
    withdraw(config, ["aaa-1"], paths, datetime(2021, 2, 1, tzinfo=UTC))
    file = next(paths.raw.glob("*/claims_transactions.parquet"))
    assert len(duckdb.read_parquet(str(file))) == 1  # of the one whom nobody knows
    with closing(synthea_project.build(paths)) as connection:
        assert connection.execute("from omop.cost").fetchall() == []


def test_every_row_has_one_fate(built: duckdb.DuckDBPyConnection) -> None:
    fates = built.execute(
        "select source_table, count(*) from intermediate.int_row_fates group by all"
    ).fetchall()
    assert dict(fates) == {
        name.removesuffix(".csv"): text.count("\n") - 1 for name, text in FILES.items()
    }


def test_costs_of_the_shared_set_are_its_charges_and_payments(
    synthea_project: CompiledProject, shared_data: Path, tmp_path: Path
) -> None:
    config = site_of(
        shared_data / "synthea_csv_27",
        "synthea_csv",
        date(2024, 2, 1),
        vocabulary={"source": "project"},
    )
    with closing(synthea_project.build(ingest(config, tmp_path))) as connection:
        assert connection.execute(
            "select count(total_charge), count(paid_by_payer), count(paid_by_patient), "
            "count(*), count(*) filter (cost_event_id in (select visit_occurrence_id "
            "from omop.visit_occurrence)), "
            "sum(total_paid - coalesce(paid_by_payer, 0) - coalesce(paid_by_patient, 0)) "
            "from omop.cost"
        ).fetchall() == [(1545, 184, 1659, 3388, 3388, 0.0)]
