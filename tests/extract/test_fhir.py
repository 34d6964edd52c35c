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
    assert one.counts("observation")[4] == 1


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
