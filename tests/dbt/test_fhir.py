"""From resources of FHIR to OMOP: what a value, a status and a reference become."""

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.site.project import Project
from pumasi.compiled import CompiledProject
from tests.hospital import (
    ASTHMA,
    LOINC,
    PREDNISONE,
    RXNORM,
    SNOMED,
    WEIGHT,
    TinyHospital,
    ingest,
    tiny_site,
    write_vocabulary,
)

# Ids above two thousand million are local by convention: these are no concepts of OMOP.
LESS, AT_LEAST, ORAL = 2_000_000_001, 2_000_000_002, 2_000_000_004
AID, SWAB = 2_000_000_005, 2_000_000_006
OWN_CONCEPTS = (
    f"{LESS},<,Meas Value Operator,SNOMED,Qualifier Value,S,x1\r\n"
    f"{AT_LEAST},>=,Meas Value Operator,SNOMED,Qualifier Value,S,x2\r\n"
    "2000000003,>,Meas Value Operator,SNOMED,Qualifier Value,,x3\r\n"
    f"{ORAL},by mouth,Route,SNOMED,Qualifier Value,S,x4\r\n"
    f"{AID},a walking aid,Device,SNOMED,Physical Object,S,aid\r\n"
    f"{SWAB},a swab,Specimen,SNOMED,Specimen,S,swab\r\n"
)
DAY = "2020-03-04"

Build = Callable[..., duckdb.DuckDBPyConnection]


@pytest.fixture
def build(fhir_project: CompiledProject, tmp_path: Path) -> Build:
    """The warehouse of a hospital whose vocabulary knows operators, a route, an aid, a swab."""

    def built(
        hospital: TinyHospital, values: Mapping[str, tuple[str, ...]] | None = None
    ) -> duckdb.DuckDBPyConnection:
        hospital.write(tmp_path / "extract")
        write_vocabulary(tmp_path / "vocabulary")
        with (tmp_path / "vocabulary" / "concept.csv").open("a", newline="") as stream:
            stream.write(OWN_CONCEPTS)
        site = tiny_site(tmp_path, date(2021, 1, 1)).model_copy(update={"values": values or {}})
        return fhir_project.build(ingest(site, tmp_path / "home"))

    return built


@pytest.fixture
def hospital() -> TinyHospital:
    """One person with one visit."""
    hospital = TinyHospital()
    hospital.add_person("p1")
    hospital.add_visit("p1", DAY)
    return hospital


def rows(warehouse: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    with warehouse:
        return warehouse.execute(query).fetchall()


def observe(hospital: TinyHospital, code: str = WEIGHT, **value: Any) -> None:
    hospital.add(
        "Observation",
        "p1",
        status="final",
        code={"coding": [{"system": LOINC, "code": code}]},
        effectiveDateTime=DAY,
        **value,
    )


def test_what_is_counted_as_another_relation_has_as_many_rows(
    hospital: TinyHospital, build: Build, fhir_project: CompiledProject
) -> None:
    observe(hospital, valueQuantity={"value": 70, "code": "kg"})
    hospital.add_condition("p1", ASTHMA, DAY)
    hospital.add_condition("p1", "no code", DAY)
    hospital.add_drug("p1", PREDNISONE, DAY, 5)
    same = Project(fhir_project.manifest).counted_as
    assert "int_events_settled" in same
    with build(hospital) as warehouse:
        for pair in same.items():
            first, second = (warehouse.sql(f"from intermediate.{name}") for name in pair)
            assert len(first) == len(second) >= 4


def test_a_bound_is_a_number_with_an_operator(hospital: TinyHospital, build: Build) -> None:
    for number, sign in enumerate(("<", ">=", ">", None), start=1):
        observe(hospital, valueQuantity={"value": number, "comparator": sign, "code": "kg"})
    found = rows(
        build(hospital),
        "select value_as_number, operator_concept_id, value_source_value "
        "from omop.measurement order by 1",
    )
    assert found == [
        (1.0, LESS, "<1"),
        (2.0, AT_LEAST, ">=2"),
        (3.0, 0, ">3"),  # an operator that the vocabulary has no standard concept of
        (4.0, None, None),
    ]


def test_a_route_is_a_concept_and_one_that_nobody_knows_is_none(
    hospital: TinyHospital, build: Build
) -> None:
    for day, code in enumerate(("x4", "x5"), start=1):
        hospital.add(
            "MedicationRequest",
            "p1",
            status="completed",
            intent="order",
            medicationCodeableConcept={"coding": [{"system": RXNORM, "code": PREDNISONE}]},
            authoredOn=f"2020-03-0{day}",
            dosageInstruction=[{"route": {"coding": [{"system": SNOMED, "code": code}]}}],
        )
    found = rows(build(hospital), "select route_concept_id from omop.drug_exposure order by all")
    assert found == [(ORAL,), (None,)]


def test_a_bound_in_the_observation_table_keeps_its_sign(
    hospital: TinyHospital, build: Build
) -> None:
    observe(hospital, code="67875-5", valueQuantity={"value": 0.01, "comparator": "<"})
    found = rows(
        build(hospital), "select value_as_number, value_source_value from omop.observation"
    )
    assert found == [(0.01, "<0.01")]


@pytest.mark.parametrize(
    ("status", "fate", "rule"),
    [
        ("confirmed", "in_omop", None),
        ("provisional", "in_omop", None),
        ("unconfirmed", "in_omop", None),
        ("differential", "not_mapped", "differential_diagnosis"),
        ("refuted", "not_mapped", "refuted"),
        ("entered-in-error", "not_mapped", "entered_in_error"),
    ],
)
def test_a_diagnosis_counts_unless_it_is_one_of_several_candidates(
    hospital: TinyHospital, build: Build, status: str, fate: str, rule: str | None
) -> None:
    hospital.add(
        "Condition",
        "p1",
        code={"coding": [{"system": SNOMED, "code": ASTHMA}]},
        verificationStatus={"coding": [{"code": status}]},
        onsetDateTime=DAY,
    )
    warehouse = build(hospital)
    query = "select fate, rule from intermediate.int_row_fates where source_table = 'condition'"
    assert warehouse.execute(query).fetchall() == [(fate, rule)]
    conditions = rows(warehouse, "select count(*) from omop.condition_occurrence")
    assert conditions == [(int(fate == "in_omop"),)]


def test_a_code_goes_to_the_table_of_its_domain_also_to_devices_and_specimens(
    hospital: TinyHospital, build: Build
) -> None:
    for code in ("aid", "swab"):
        hospital.add_procedure("p1", code, DAY)
    with build(hospital) as warehouse:
        found = {
            table: warehouse.execute(f"select {column} from omop.{table}").fetchall()
            for table, column in (
                ("device_exposure", "device_concept_id"),
                ("specimen", "specimen_concept_id"),
                ("procedure_occurrence", "procedure_concept_id"),
                ("observation", "observation_concept_id"),
            )
        }
    assert found == {
        "device_exposure": [(AID,)],
        "specimen": [(SWAB,)],
        "procedure_occurrence": [],
        "observation": [],
    }


def add_places(hospital: TinyHospital) -> None:
    """A visit at a hospital by a doctor, both with what must not enter; and who insures."""
    hospital.change(
        hospital.add_visit("p1", DAY, kind="IMP"),
        serviceProvider={"reference": "Organization/o1"},
        participant=[
            {"individual": {"reference": "RelatedPerson/r1"}},
            {"individual": {"reference": "Practitioner/d1"}},
        ],
    )
    address = {"line": ["1 Old Lane"], "city": "Town", "state": "MA", "country": "US"}
    hospital.resources |= {
        "Organization": [
            {"resourceType": "Organization", "id": name, "name": "HOUSE OF HEALTH", **kind}
            for name, kind in (("o1", {}), ("o2", {"type": [{"coding": [{"code": "ins"}]}]}))
        ],
        "Location": [
            {
                "resourceType": "Location",
                "id": "l1",
                "address": address,
                "managingOrganization": {"reference": "Organization/o1"},
            }
        ],
        "Practitioner": [
            {
                "resourceType": "Practitioner",
                "id": "d1",
                "name": [{"family": "Stone"}],
                "gender": "female",
                "address": [address],
            }
        ],
        "PractitionerRole": [
            {
                "resourceType": "PractitionerRole",
                "id": role,
                "practitioner": {"reference": "Practitioner/d1"},
                "organization": {"reference": f"Organization/{organization}"},
                "specialty": [{"text": "Cardiology"}],
            }
            for role, organization in (("role-1", "o1"), ("role-2", "o9"))
        ],
    }


def test_a_visit_names_its_hospital_and_its_doctor_and_neither_their_names_nor_addresses(
    hospital: TinyHospital, build: Build
) -> None:
    add_places(hospital)
    values = {
        "location.state": ("MA",),
        "practitioner_role.specialty": ("Cardiology",),
    }
    warehouse = build(hospital, values)
    assert warehouse.execute(
        "select care_site_name, state, city, address_1, country_source_value, "
        "provider_name, gender_concept_id, specialty_source_value, provider.care_site_id "
        "from omop.visit_occurrence as visit "
        "join omop.care_site as site on visit.care_site_id = site.care_site_id "
        "join omop.location using (location_id) "
        "join omop.provider as provider on visit.provider_id = provider.provider_id "
        "where visit_concept_id = 9201"
    ).fetchall() == [(None, "MA", None, None, None, None, 8532, "Cardiology", None)]
    fates = "select source_table, fate, rule, count(*) from intermediate.int_row_fates "
    assert warehouse.execute(
        f"{fates} where source_table not in ('patient', 'encounter') group by all order by all"
    ).fetchall() == [
        ("location", "in_omop", None, 1),
        ("organization", "in_omop", None, 1),
        ("organization", "not_mapped", "no_place_of_care", 1),
        ("practitioner", "in_omop", None, 1),
        ("practitioner_role", "not_mapped", "said_of_its_provider", 2),
    ]


def test_an_organization_with_two_locations_lies_at_neither(
    hospital: TinyHospital, build: Build
) -> None:
    add_places(hospital)
    hospital.resources["Location"].append(hospital.resources["Location"][0] | {"id": "l2"})
    found = rows(build(hospital), "select location_id from omop.care_site")
    assert found == [(None,)]
