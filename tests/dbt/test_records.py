"""From a site's OMOP tables to ours: parts of visits, devices, samples, notes, plans, places."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pumasi.compiled import CompiledProject
from pumasi.extract import discover, pull, read, read_vocabulary
from tests.dbt.test_incremental import Hospital, assert_same, tables
from tests.extract.extracts import every_text, site_of, write_files

FIRST, SECOND = date(2021, 1, 1), date(2021, 2, 1)
FILES = {
    "person.csv": "person_id,gender_concept_id,year_of_birth,location_id,provider_id,care_site_id\n"
    "101,8507,1950,900,700,800\n"
    "102,8532,1961,901,,\n",
    "observation_period.csv": "observation_period_id,person_id,observation_period_start_date,"
    "observation_period_end_date\n1,101,2010-01-01,2020-12-31\n2,102,2011-01-01,2020-12-31\n",
    "visit_occurrence.csv": "visit_occurrence_id,person_id,visit_concept_id,visit_start_date,"
    "visit_end_date,provider_id,care_site_id\n"
    "501,101,9201,2015-02-03,2015-02-10,700,800\n502,102,9202,2016-03-04,2016-03-04,,\n",
    "visit_detail.csv": "visit_detail_id,person_id,visit_detail_concept_id,"
    "visit_detail_start_date,visit_detail_end_date,provider_id,visit_occurrence_id,"
    "preceding_visit_detail_id,visit_detail_parent_id\n"
    "31,101,9201,2015-02-03,2015-02-05,700,501,,\n"
    "32,101,32037,2015-02-05,,700,501,31,99\n"
    "33,102,9202,2016-03-04,2016-03-04,,599,,\n",
    "device_exposure.csv": "device_exposure_id,person_id,device_concept_id,"
    "device_exposure_start_date,device_exposure_end_date,quantity,unique_device_id,"
    "visit_occurrence_id,device_source_value\n"
    "41,101,4217646,2015-02-04,,1,UDI-OF-ADA,501,72506001\n",
    "specimen.csv": "specimen_id,person_id,specimen_concept_id,specimen_date,quantity,"
    "anatomic_site_concept_id,specimen_source_id\n"
    "51,102,4001225,2016-03-04,2.5,4047494,SAMPLE-7\n52,199,4001225,2016-03-04,1,,\n",
    "note.csv": "note_id,person_id,note_date,note_type_concept_id,note_class_concept_id,"
    "note_title,note_text,visit_occurrence_id,provider_id\n"
    "61,101,2015-02-10,32831,706391,Letter,Ada is better,501,700\n"
    "62,102,2016-03-04,32831,706391,Letter,Bob is not,598,\n",
    "payer_plan_period.csv": "payer_plan_period_id,person_id,payer_plan_period_start_date,"
    "payer_plan_period_end_date,payer_concept_id,family_source_value\n"
    "71,101,2014-01-01,2016-12-31,280,FAMILY-3\n",
    "cost.csv": "cost_id,cost_event_id,cost_domain_id,cost_type_concept_id,total_charge,"
    "paid_by_payer,revenue_code_source_value\n"
    "1,501,Visit,32810,1000.5,900,REV-1\n2,502,Visit,32810,20,,\n3,41,Device,,300,,\n",
    "episode.csv": "episode_id,person_id,episode_concept_id,episode_start_date,episode_parent_id,"
    "episode_number,episode_object_concept_id\n"
    "81,101,32528,2015-01-01,,1,317009\n82,101,32531,2015-02-01,81,1,317009\n",
    "dose_era.csv": "dose_era_id,person_id,drug_concept_id,unit_concept_id,dose_value,"
    "dose_era_start_date,dose_era_end_date\n91,101,1154343,8576,2.5,2015-01-01,2015-03-01\n",
    "location.csv": "location_id,address_1,city,state,zip,county,latitude\n"
    "900,1 Old Lane,Oldtown,MA,01234,Hidden,42.1\n901,2 New Lane,Newtown,XX,01235,Hidden,42.2\n",
    "care_site.csv": "care_site_id,care_site_name,place_of_service_concept_id,location_id\n"
    "800,Practice of Dr Stone,8717,900\n",
    "provider.csv": "provider_id,provider_name,npi,dea,specialty_concept_id,care_site_id,"
    "year_of_birth,gender_source_value\n700,Jo Stone,NPI-1,DEA-1,38004446,800,1970,F\n",
}
LATER = {
    # Nobody in it: whose doctor it is changed the specialty.
    "provider.csv": FILES["provider.csv"].replace("38004446", "38004459"),
    "visit_detail.csv": "visit_detail_id,person_id,visit_detail_concept_id,"
    "visit_detail_start_date,visit_detail_end_date,provider_id,visit_occurrence_id\n"
    "31,101,9201,2015-02-03,2015-02-04,700,501\n",
    # The visit came before.
    "cost.csv": "cost_id,cost_event_id,cost_domain_id,total_charge\n1,501,Visit,999\n",
}


class OmopHospital(Hospital):
    """Takes deliveries of OMOP tables in."""

    def take(self, files: dict[str, str], as_of: date, kind: str = "full") -> None:
        said = f'as_of = {as_of}\nextracted_through = 2020-12-31\nkind = "{kind}"\n'
        folder = self.root / "extract" / str(as_of)
        write_files(folder, files | {"delivery.toml": said})
        config = site_of(
            self.root / "extract",
            values={"location.state": ("MA",)},
            vocabulary={"source": "folder", "url": str(self.root / "vocabulary")},
        )
        for delivery in discover(config):
            read(config, pull(config, delivery, self.paths), delivery, self.paths)
        read_vocabulary(config, discover(config), self.paths)


@pytest.fixture(scope="module")
def hospital(omop_project: CompiledProject, tmp_path_factory: pytest.TempPathFactory) -> Hospital:
    made = OmopHospital(tmp_path_factory.mktemp("records"), omop_project)
    made.take(FILES, FIRST)
    return made


@pytest.fixture(scope="module")
def built(hospital: Hospital) -> Iterator[duckdb.DuckDBPyConnection]:
    with closing(hospital.project.build(hospital.paths)) as connection:
        yield connection


def rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()


def test_parts_of_a_visit_name_it_and_each_other(built: duckdb.DuckDBPyConnection) -> None:
    """What is above the second part is not delivered, and nulled."""
    found = rows(
        built,
        "select detail.visit_detail_concept_id, detail.visit_detail_end_date, "
        "detail.visit_detail_type_concept_id, visit.visit_concept_id, "
        "before.visit_detail_concept_id, detail.parent_visit_detail_id, "
        "provider.specialty_concept_id "
        "from omop.visit_detail as detail "
        "join omop.visit_occurrence as visit using (visit_occurrence_id) "
        "join omop.provider as provider on detail.provider_id = provider.provider_id "
        "left join omop.visit_detail as before "
        "on detail.preceding_visit_detail_id = before.visit_detail_id order by all",
    )
    assert found == [
        (9201, date(2015, 2, 5), 0, 9201, None, None, 38004446),
        (32037, date(2015, 2, 5), 0, 9201, 9201, None, 38004446),
    ]


def test_a_part_of_a_visit_that_is_not_delivered_waits_and_is_counted(
    built: duckdb.DuckDBPyConnection,
) -> None:
    fates = "select fate, rule from intermediate.int_row_fates where source_table = "
    assert rows(built, f"{fates}'visit_detail' order by line_no") == [
        ("in_omop", None),
        ("in_omop", None),
        ("quarantined", "visit_not_delivered"),
    ]
    losses = "select reference, rows_referring, rows_lost from intermediate.int_reference_losses "
    assert rows(built, f"{losses} where table_name = 'visit_detail' order by all") == [
        ("person", 3, 0),
        ("visit_occurrence", 3, 1),
    ]


def test_a_note_is_without_its_text_and_stays_without_its_visit(
    built: duckdb.DuckDBPyConnection,
) -> None:
    assert rows(
        built,
        "select note_date, note_class_concept_id, encoding_concept_id, note_text, note_title, "
        "visit_occurrence_id is null from omop.note order by all",
    ) == [
        (date(2015, 2, 10), 706391, 0, None, None, False),
        (date(2016, 3, 4), 706391, 0, None, None, True),
    ]
    assert rows(
        built,
        "select reference, rows_referring, rows_lost from intermediate.int_reference_losses "
        "where table_name = 'note' order by all",
    ) == [("person", 2, 0), ("visit_occurrence", 2, 1)]


def test_devices_and_samples_are_events_with_a_day_of_knowledge(
    built: duckdb.DuckDBPyConnection,
) -> None:
    assert rows(
        built,
        "select device_concept_id, device_exposure_start_date, quantity, device_source_value, "
        "unique_device_id, visit_occurrence_id is not null from omop.device_exposure",
    ) == [(4217646, date(2015, 2, 4), 1, "72506001", None, True)]
    assert rows(
        built,
        "select specimen_concept_id, quantity, anatomic_site_concept_id, specimen_source_id "
        "from omop.specimen",
    ) == [(4001225, 2.5, 4047494, None)]
    known = "select known_date from intermediate.int_{}"
    assert rows(built, known.format("device_exposures")) == [(date(2015, 2, 4),)]
    assert rows(built, known.format("specimens")) == [(date(2016, 3, 4),)]


def test_a_sample_of_nobody_is_quarantined(built: duckdb.DuckDBPyConnection) -> None:
    assert rows(
        built,
        "select fate, rule from intermediate.int_row_fates where source_table = 'specimen' "
        "order by line_no",
    ) == [("in_omop", None), ("quarantined", "person_not_delivered")]


def test_insurance_phases_and_dose_eras_come_as_they_are(
    built: duckdb.DuckDBPyConnection,
) -> None:
    assert rows(
        built,
        "select payer_plan_period_start_date, payer_plan_period_end_date, payer_concept_id, "
        "family_source_value from omop.payer_plan_period",
    ) == [(date(2014, 1, 1), date(2016, 12, 31), 280, None)]
    assert rows(
        built,
        "select part.episode_concept_id, whole.episode_concept_id, part.episode_number "
        "from omop.episode as part left join omop.episode as whole "
        "on part.episode_parent_id = whole.episode_id order by all",
    ) == [(32528, None, 1), (32531, 32528, 1)]
    assert rows(
        built, "select drug_concept_id, unit_concept_id, dose_value from omop.dose_era"
    ) == [(1154343, 8576, 2.5)]


def test_a_cost_leads_to_its_record(built: duckdb.DuckDBPyConnection) -> None:
    assert rows(
        built,
        "select cost_domain_id, person_id is not null, cost_type_concept_id, total_charge, "
        "paid_by_payer, revenue_code_source_value from omop.cost "
        "left join intermediate.int_records_in_omop on cost_domain_id = domain_id "
        "and cost_event_id = record_id order by total_charge",
    ) == [
        ("Visit", True, 32810, 20.0, None, None),
        ("Device", True, 0, 300.0, None, None),
        ("Visit", True, 32810, 1000.5, 900.0, None),
    ]


def test_a_cost_whose_record_is_gone_waits_and_is_counted(
    omop_project: CompiledProject, tmp_path: Path
) -> None:
    hospital = OmopHospital(tmp_path, omop_project)
    hospital.take(FILES, FIRST)
    without = FILES | {"device_exposure.csv": FILES["device_exposure.csv"].splitlines()[0] + "\n"}
    hospital.take(without, SECOND)
    with closing(hospital.build(None)) as connection:
        assert rows(connection, "select count(*) from omop.cost") == [(2,)]
        assert rows(
            connection,
            "select rows_referring, rows_lost from intermediate.int_reference_losses "
            "where table_name = 'cost' and reference = 'record'",
        ) == [(3, 1)]


def test_persons_and_visits_lead_to_places_and_providers(
    built: duckdb.DuckDBPyConnection,
) -> None:
    assert rows(
        built,
        "select year_of_birth, state, county, city, zip, latitude from omop.person "
        "join omop.location using (location_id) order by all",
    ) == [(1950, "MA", None, None, None, None), (1961, None, None, None, None, None)]
    assert rows(
        built,
        "select place_of_service_concept_id, care_site_name, specialty_concept_id, provider_name, "
        "npi, dea, provider.year_of_birth, gender_source_value, state "
        "from omop.visit_occurrence as visit "
        "join omop.care_site as site on visit.care_site_id = site.care_site_id "
        "join omop.provider as provider on visit.provider_id = provider.provider_id "
        "and provider.care_site_id = site.care_site_id "
        "join omop.location as place on site.location_id = place.location_id",
    ) == [(8717, None, 38004446, None, None, None, None, "F", "MA")]


def test_every_row_of_these_tables_has_one_fate_and_its_source_row(
    built: duckdb.DuckDBPyConnection,
) -> None:
    counts = dict(
        rows(
            built,
            "select source_table, count(*) from intermediate.int_row_fates group by all",
        )
    )
    assert counts == {
        name.removesuffix(".csv"): text.count("\n") - 1 for name, text in FILES.items()
    }
    named = dict(
        rows(built, "select omop_table, count(*) from intermediate.int_omop_rows group by all")
    )
    for table in ("visit_detail", "device_exposure", "specimen", "note", "provider", "location"):
        assert rows(built, f"select count(*) from omop.{table}") == [(named[table],)]


def test_no_name_address_text_or_number_of_them_is_read(hospital: Hospital) -> None:
    texts = " ".join(every_text(hospital.paths.raw.rglob("*.parquet")))
    for said in ("Stone", "NPI", "DEA", "Lane", "town", "Ada", "Letter", "UDI", "SAMPLE", "FAMILY"):
        assert said not in texts
    assert "72506001" in texts


def test_a_later_delivery_supersedes_and_incremental_equals_full(
    omop_project: CompiledProject, tmp_path: Path
) -> None:
    hospital = OmopHospital(tmp_path, omop_project)
    hospital.take(FILES, FIRST)
    connection = hospital.build(None)
    hospital.take(LATER, SECOND, "incremental")
    connection = hospital.build(connection)
    with closing(connection), closing(omop_project.build(hospital.paths)) as full:
        assert_same(tables(connection), tables(full))
        assert rows(connection, "select specialty_concept_id from omop.provider") == [(38004459,)]
        ends = (
            "select visit_detail_end_date from omop.visit_detail order by visit_detail_concept_id"
        )
        assert rows(connection, ends) == [(date(2015, 2, 4),), (date(2015, 2, 5),)]
        assert rows(
            connection,
            "select source_table, fate, count(*) from intermediate.int_row_fates "
            "where source_table in ('cost', 'provider', 'visit_detail') and fate <> 'in_omop' "
            "group by all order by all",
        ) == [
            ("cost", "superseded", 1),
            ("provider", "superseded", 1),
            ("visit_detail", "quarantined", 1),
            ("visit_detail", "superseded", 1),
        ]
    assert hospital.ways == ["full", "1"]


def test_what_a_full_delivery_no_longer_has_is_withdrawn(
    omop_project: CompiledProject, tmp_path: Path
) -> None:
    hospital = OmopHospital(tmp_path, omop_project)
    hospital.take(FILES, FIRST)
    empty = {name: text.splitlines()[0] + "\n" for name, text in FILES.items()}
    kept = ("person.csv", "observation_period.csv", "visit_occurrence.csv")
    hospital.take(empty | {name: FILES[name] for name in kept}, SECOND)
    with closing(hospital.build(None)) as connection:
        for table in ("visit_detail", "note", "device_exposure", "cost", "provider", "location"):
            assert rows(connection, f"select count(*) from omop.{table}") == [(0,)], table
        # Whose doctor it was is still known, though not who the doctor is.
        assert rows(connection, "select count(provider_id) from omop.visit_occurrence") == [(1,)]
