"""What FHIR allows and other formats do not: bounds, references of any type, odd shapes."""

from pathlib import Path
from typing import Any

import pytest

from tests.extract.extracts import Taken, condition, encounter, ndjson, patient, take_in_files

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"


def concept(*codes: Any, system: str = LOINC) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code} for code in codes]}


def observation(subject: str = "Patient/p1", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "code": concept("29463-7"),
        "subject": {"reference": subject},
        "effectiveDateTime": "2019-01-02",
    } | more


def taken(tmp_path: Path, *resources: dict[str, Any], **more: Any) -> Taken:
    """What is read of these and of one patient."""
    text = ndjson(patient(), *resources)
    return take_in_files(tmp_path, {"all.ndjson": text}, "fhir_r4", **more)


@pytest.mark.parametrize("sign", ["<", "<=", ">=", ">"])
def test_a_bound_is_read_with_its_sign(tmp_path: Path, sign: str) -> None:
    quantity = {"value": 0.01, "comparator": sign, "code": "ng/mL"}
    part = {"code": concept("8480-6"), "valueQuantity": quantity}
    one = taken(tmp_path, observation(valueQuantity=quantity, component=[part]))
    columns = "value_number, value_comparator, value_unit, components, values_nulled"
    ((number, comparator, unit, (component,), nulled),) = one.rows("observation", columns)
    assert (number, comparator, unit, nulled) == (0.01, sign, "ng/mL", 0)
    assert (component["value_number"], component["value_comparator"]) == (0.01, sign)


def test_a_number_with_a_sign_that_is_not_known_is_no_value(tmp_path: Path) -> None:
    quantity = {"value": 0.01, "comparator": "ad"}
    one = taken(tmp_path, observation(valueQuantity=quantity))
    columns = "value_number, value_comparator"
    assert one.rows("observation", columns) == [(None, None)]
    assert one.counts("observation")[4] == 2


@pytest.mark.parametrize(
    "reference",
    [
        "Patient/p1",
        "Patient/p1/_history/2",
        "https://fhir.example.org/base/Patient/p1",
        "http://fhir.example.org/Patient/p1/_history/3",
        "urn:uuid:p1",
        "p1",
    ],
)
def test_a_reference_to_a_patient_is_followed_however_it_is_written(
    tmp_path: Path, reference: str
) -> None:
    one = taken(tmp_path, observation(reference), encounter(subject=reference))
    ((person,),) = one.rows("patient", "patient_id")
    assert one.rows("observation", "patient_id") == [(person,)]
    assert one.rows("encounter", "patient_id") == [(person,)]


@pytest.mark.parametrize(
    "reference",
    [
        "Group/p1",
        "Device/p1",
        "https://fhir.example.org/base/Group/p1",
        "Group/x/Patient/p1",
        "#p1",
        "urn:oid:p1",
        "Patient?identifier=p1",
        "Patient/",
    ],
)
def test_what_is_about_no_patient_lands_on_none(tmp_path: Path, reference: str) -> None:
    one = taken(
        tmp_path, observation(reference), encounter(subject=reference), condition(subject=reference)
    )
    for table in ("observation", "encounter", "condition"):
        assert one.counts(table)[:3] == (1, 0, 1)
    assert one.quarantine("source_table, reason") == [
        ("observation", "subject is no Patient"),
        ("encounter", "subject is no Patient"),
        ("condition", "subject is no Patient"),
    ]


@pytest.mark.parametrize(
    ("reference", "found", "nulled"),
    [
        ("Encounter/e1", True, 0),
        ("http://fhir.example.org/Encounter/e1", True, 0),
        ("urn:uuid:e1", True, 0),
        ("EpisodeOfCare/e1", False, 1),
        ("", False, 0),
    ],
)
def test_a_visit_is_an_encounter_or_nulled_and_counted(
    tmp_path: Path, reference: str, found: bool, nulled: int
) -> None:
    one = taken(tmp_path, encounter(), observation(encounter={"reference": reference}))
    ((visit,),) = one.rows("encounter", "encounter_id")
    expected = (visit if found else None, nulled)
    assert one.rows("observation", "encounter_id, values_nulled") == [expected]


# -- what can't enter is counted ------------------------------------------------------------------

PERIOD = {"start": "2019-01-02", "end": "2019-01-03"}


@pytest.mark.parametrize(
    ("more", "nulled"),
    [
        ({}, 0),
        ({"valueQuantity": {"value": "<5"}}, 1),
        ({"valueQuantity": "5 mg"}, 1),
        ({"valueDateTime": "2019-01-02"}, 1),
        ({"valuePeriod": PERIOD}, 1),
        ({"valueRange": {"low": {"value": 1}}}, 1),
        ({"valueRatio": {"numerator": {"value": 1}}}, 1),
        ({"valueString": "a text"}, 1),
        ({"code": concept("29463-7", "a text")}, 1),
        ({"code": concept("a text", "another text")}, 2),
        ({"code": {"coding": {"system": LOINC, "code": "29463-7"}}}, 1),
        ({"code": "29463-7"}, 1),
        ({"code": {"text": "a text"}}, 0),
        ({"valueCodeableConcept": {"coding": {"code": "1"}}}, 1),
        ({"category": concept("vital-signs")}, 1),
        ({"component": {"code": concept("8480-6")}}, 1),
        ({"component": [{"code": concept("8480-6"), "valueString": "a text"}]}, 1),
        ({"component": [{"code": concept("8480-6", "a b"), "valueRange": {}}]}, 2),
        ({"component": [{"code": concept("8480-6"), "valueQuantity": {"value": "x"}}]}, 1),
        ({"effectiveDateTime": None, "effectiveTiming": {"event": ["2019-01-02"]}}, 1),
    ],
)
def test_what_of_an_observation_does_not_enter_is_counted(
    tmp_path: Path, more: dict[str, Any], nulled: int
) -> None:
    one = taken(tmp_path, observation(**more))
    assert one.counts("observation") == (1, 1, 0, 0, nulled)


@pytest.mark.parametrize(("written", "read"), [(True, "true"), (False, "false")])
def test_yes_and_no_are_values(tmp_path: Path, written: bool, read: str) -> None:
    part = {"code": concept("8480-6"), "valueBoolean": written}
    one = taken(tmp_path, observation(valueBoolean=written, component=[part]))
    ((value, (component,), nulled),) = one.rows(
        "observation", "value_string, components, values_nulled"
    )
    assert (value, component["value_string"], nulled) == (read, read, 0)


def test_an_instant_is_a_day(tmp_path: Path) -> None:
    more = {"effectiveDateTime": None, "effectiveInstant": "2019-01-02T03:04:05.678+09:00"}
    one = taken(tmp_path, observation(**more))
    ((day, nulled),) = one.rows("observation", "effective_date::varchar, values_nulled")
    assert (day, nulled) == ("2019-01-02", 0)


@pytest.mark.parametrize(
    ("more", "nulled"),
    [
        ({}, 0),
        ({"code": {"coding": {"system": SNOMED, "code": "195967001"}}}, 1),
        ({"verificationStatus": "confirmed"}, 1),
        ({"clinicalStatus": "active", "verificationStatus": "confirmed"}, 2),
        ({"onsetDateTime": None, "onsetAge": {"value": 5}}, 1),
        ({"onsetDateTime": None, "onsetString": "in childhood"}, 1),
        ({"abatementAge": {"value": 7}}, 1),
        ({"abatementPeriod": PERIOD}, 0),
    ],
)
def test_what_of_a_condition_does_not_enter_is_counted(
    tmp_path: Path, more: dict[str, Any], nulled: int
) -> None:
    one = taken(tmp_path, encounter(), condition(**more))
    assert one.counts("condition") == (1, 1, 0, 0, nulled)


@pytest.mark.parametrize(
    ("more", "nulled"),
    [
        ({"deceasedBoolean": True}, 1),
        ({"deceasedBoolean": False}, 0),
        ({"deceasedDateTime": "2019-01-02"}, 0),
        ({"deceasedDateTime": "2019"}, 1),
    ],
)
def test_a_death_without_a_day_is_counted(
    tmp_path: Path, more: dict[str, Any], nulled: int
) -> None:
    one = taken(tmp_path, patient("p2", **more))
    assert one.counts("patient") == (2, 2, 0, 0, nulled)


def test_a_visit_of_many_types_that_are_texts_is_read(tmp_path: Path) -> None:
    """The count of a row has one byte."""
    one = taken(tmp_path, encounter(type=[concept("a text")] * 300))
    assert one.counts("encounter") == (1, 1, 0, 0, 255)


@pytest.mark.parametrize(
    ("more", "codes", "nulled"),
    [
        ({"medicationCodeableConcept": concept("140587")}, ["140587"], 0),
        (
            {
                "contained": [
                    {"resourceType": "Medication", "id": "m0", "code": concept("3355")},
                    {"resourceType": "Medication", "id": "m1", "code": concept("140587")},
                ],
                "medicationReference": {"reference": "#m1"},
            },
            ["140587"],
            0,
        ),
        ({"medicationReference": {"reference": "Medication/m1"}}, None, 1),
        ({"medicationCodeableConcept": "celecoxib"}, None, 1),
    ],
)
def test_the_drug_of_a_prescription(
    tmp_path: Path, more: dict[str, Any], codes: list[str] | None, nulled: int
) -> None:
    request = {
        "resourceType": "MedicationRequest",
        "id": "r1",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/p1"},
        "authoredOn": "2019-01-02",
    }
    one = taken(tmp_path, request | more)
    ((codings, count),) = one.rows("medication_request", "codings, values_nulled")
    assert (codings and [each["code"] for each in codings], count) == (codes, nulled)


@pytest.mark.parametrize(
    ("resource", "more", "codes", "nulled"),
    [
        (
            "MedicationRequest",
            {"dosageInstruction": [{"route": concept("26643006")}, {"text": "if needed"}]},
            ["26643006"],
            0,
        ),
        ("MedicationRequest", {"dosageInstruction": [{"text": "daily"}]}, [], 0),
        ("MedicationRequest", {"dosageInstruction": "by mouth"}, None, 1),
        ("MedicationAdministration", {"dosage": {"route": concept("47625008")}}, ["47625008"], 0),
        ("MedicationAdministration", {"dosage": {"route": concept("by mouth")}}, [], 1),
        ("MedicationAdministration", {}, None, 0),
    ],
)
def test_the_route_of_a_drug(
    tmp_path: Path, resource: str, more: dict[str, Any], codes: list[str] | None, nulled: int
) -> None:
    given = {
        "resourceType": resource,
        "id": "r1",
        "status": "completed",
        "subject": {"reference": "Patient/p1"},
        "medicationCodeableConcept": concept("140587"),
    }
    table = "medication_request" if resource == "MedicationRequest" else "medication_administration"
    ((codings, count),) = taken(tmp_path, given | more).rows(table, "route_codings, values_nulled")
    found = codings if codings is None else [each["code"] for each in codings]
    assert (found, count) == (codes, nulled)


# -- the shape of a code --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number",
    [
        "800203-2345678",
        "8002032345678",
        "010-1234-5678",
        "01012345678",
        "+82-10-1234-5678",
        "+821012345678",
        "02-123-4567",
        "(02)123-4567",
        "617-555-1234",
        "1-617-555-1234",
        "617.555.1234",
        "999-11-2222",
    ],
)
def test_the_number_of_a_person_or_telephone_is_no_code(tmp_path: Path, number: str) -> None:
    one = taken(tmp_path, observation(code=concept(number), status=number))
    assert one.rows("observation", "codings, status, values_nulled") == [([], None, 2)]


@pytest.mark.parametrize(
    "code",
    [
        "4548-4",  # LOINC
        "100000-9",
        "LP16413-4",
        "LA6576-8",
        "195967001",  # SNOMED
        "10692761000119107",
        "1611000119107",
        "0093-7146-56",  # NDC
        "50580-449-05",
        "12345-6789-1",
        "0093-7146",
        "00093714656",
        "141",  # CVX
        "99213",  # CPT
        "0001F",
        "1049502",  # RxNorm
        "J45.909",  # ICD-10-CM
        "0DTJ4ZZ",
        "8140/3",
        "645902150",  # Korean EDI
        "1.2.840.113619.2.62",
        "10*3/uL",
    ],
)
def test_codes_of_the_code_systems_are_codes(tmp_path: Path, code: str) -> None:
    one = taken(tmp_path, observation(code=concept(code)))
    ((codings, nulled),) = one.rows("observation", "codings, values_nulled")
    assert ([each["code"] for each in codings], nulled) == ([code], 0)
