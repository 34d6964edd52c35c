"""How a text of the source becomes a value: typed, admitted, or nulled and counted."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.extract.extracts import (
    OMOP,
    PERSONS,
    SYNTHEA,
    Taken,
    condition,
    encounter,
    ndjson,
    patient,
    take_in_files,
)

MEASUREMENTS = (
    "measurement_id,person_id,measurement_concept_id,measurement_date,value_as_number,"
    "unit_source_value,value_source_value,range_low,value_as_concept_id,unit_concept_id,"
    "visit_occurrence_id,measurement_source_value\n"
)


def measurement(tmp_path: Path, number: str = "", unit: str = "", text: str = "") -> Taken:
    row = f'1,101,3025315,2020-01-02,{number},{unit},"{text}",,,,,\n'
    values = {"measurement.value_source_value": ["positive", "it's fine"]}
    return take_in_files(tmp_path, OMOP | {"measurement.csv": MEASUREMENTS + row}, values=values)


@pytest.mark.parametrize(
    ("written", "read", "nulled"),
    [
        ("61.5", 61.5, 0),
        ("-3", -3.0, 0),
        ("1e3", 1000.0, 0),
        ("  7 ", 7.0, 0),
        ("", None, 0),
        ("NaN", None, 0),
        ("inf", None, 1),
        ("<5", None, 1),
        ("61;5", None, 1),
    ],
)
def test_numbers(tmp_path: Path, written: str, read: float | None, nulled: int) -> None:
    taken = measurement(tmp_path, number=written)
    assert taken.rows("measurement", "value_as_number, values_nulled") == [(read, nulled)]
    assert taken.counts("measurement") == (1, 1, 0, 0, nulled)


@pytest.mark.parametrize(
    ("given", "misread"),
    [
        ({"number": "<5", "unit": "mm Hg"}, 1),  # two values of one row
        ({"number": "inf"}, 1),
        ({"number": "5"}, 0),
        # What nobody listed is left out on purpose: it could be read.
        ({"unit": "mm Hg", "text": "Ada"}, 0),
    ],
)
def test_rows_of_which_a_number_can_t_be_read_are_counted_apart(
    tmp_path: Path, given: dict[str, str], misread: int
) -> None:
    assert measurement(tmp_path, **given).report.tables["measurement"].rows_misread == misread


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("kg", "kg"),
        ("10*3/uL", "10*3/uL"),
        ("{score}", "{score}"),
        ("[arb'U]", "[arb'U]"),
        ("mm Hg", None),
        ("x" * 51, None),
        ("측정", None),
    ],
)
def test_a_unit_or_code_is_admitted_by_its_shape(
    tmp_path: Path, written: str, read: str | None
) -> None:
    taken = measurement(tmp_path, unit=written)
    assert taken.rows("measurement", "unit_source_value") == [(read,)]
    assert taken.counts("measurement")[4] == (0 if read else 1)


@pytest.mark.parametrize(
    ("written", "read"),
    [("positive", "positive"), ("it's fine", "it's fine"), ("Positive", None), ("Ada", None)],
)
def test_a_text_enters_only_when_the_value_map_lists_it(
    tmp_path: Path, written: str, read: str | None
) -> None:
    taken = measurement(tmp_path, text=written)
    assert taken.rows("measurement", "value_source_value") == [(read,)]
    assert taken.counts("measurement")[4] == (0 if read else 1)


def test_a_value_map_is_of_one_column_only(tmp_path: Path) -> None:
    text = PERSONS.replace(",M,", ",man,").replace(",white,", ",man,")
    values = {"person.gender_source_value": ["man"]}
    taken = take_in_files(tmp_path, OMOP | {"person.csv": text}, values=values)
    columns = "gender_source_value, race_source_value, values_nulled"
    assert taken.rows("person", columns) == [("man", None, 1), ("F", "black", 0), ("F", None, 1)]


@pytest.mark.parametrize(
    ("written", "year", "month"),
    [
        ("1980-02-03", 1980, 2),
        ("1980-02-03T10:00:00+09:00", 1980, 2),
        ("1980-02", 1980, 2),
        ("1980", 1980, None),
    ],
)
def test_a_partial_birth_date_keeps_what_it_says(
    tmp_path: Path, written: str, year: int, month: int | None
) -> None:
    """FHIR allows a year or a month for a birth date; the person is not lost for it."""
    taken = take_in_files(tmp_path, {"p.ndjson": ndjson(patient(birthDate=written))}, "fhir_r4")
    assert taken.rows("patient", "birth_year, birth_month") == [(year, month)]
    assert taken.counts("patient") == (1, 1, 0, 0, 0)


@pytest.mark.parametrize("written", ["1980-13", "80", "1980-02-30", "unknown", "03.02.1980"])
def test_a_birth_date_that_is_none_costs_the_row(tmp_path: Path, written: str) -> None:
    resources = ndjson(patient("ok"), patient(birthDate=written))
    taken = take_in_files(tmp_path, {"p.ndjson": resources}, "fhir_r4")
    assert taken.counts("patient") == (2, 1, 1, 0, 0)
    assert taken.quarantine("line_no, reason") == [(2, "birth_year is not an admitted year")]


@pytest.mark.parametrize(
    ("written", "read", "nulled"),
    [
        ("2019-01-02", date(2019, 1, 2), 0),
        ("2019-01-02T23:59:59+09:00", date(2019, 1, 2), 0),
        ("2019-01-02T00:00:00.000Z", date(2019, 1, 2), 0),
        ("2019-01", None, 1),
        ("2019", None, 1),
        (None, None, 0),
    ],
)
def test_a_date_is_the_day_as_written_and_a_partial_one_is_null(
    tmp_path: Path, written: str | None, read: date | None, nulled: int
) -> None:
    one = condition(onsetDateTime=written)
    taken = take_in_files(tmp_path, {"a.ndjson": ndjson(patient(), one)}, "fhir_r4")
    assert taken.rows("condition", "onset_date, values_nulled") == [(read, nulled)]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2019-01-02T10:20:30Z", datetime(2019, 1, 2, 10, 20, 30)),  # noqa: DTZ001 - local, as written
        ("2019-01-02 10:20:30+09:00", datetime(2019, 1, 2, 10, 20, 30)),  # noqa: DTZ001
        ("2019-01-02", datetime(2019, 1, 2)),  # noqa: DTZ001
    ],
)
def test_a_time_is_the_local_one_as_written(tmp_path: Path, written: str, read: datetime) -> None:
    text = SYNTHEA["encounters.csv"].replace("2019-01-02T10:20:30Z", written)
    taken = take_in_files(tmp_path, SYNTHEA | {"encounters.csv": text}, "synthea_csv")
    assert taken.rows("encounters", "start_at") == [(read,)]


@pytest.mark.parametrize("written", ["2019-01", "infinity", "10:20:30", "2019-01-02T25:00:00Z"])
def test_a_time_that_is_none_costs_the_row(tmp_path: Path, written: str) -> None:
    text = SYNTHEA["encounters.csv"].replace("2019-01-02T10:20:30Z", written)
    taken = take_in_files(tmp_path, SYNTHEA | {"encounters.csv": text}, "synthea_csv")
    assert taken.counts("encounters") == (1, 0, 1, 0, 0)
    assert taken.quarantine("reason") == [("start_at is not a time",)]


def test_one_source_column_may_be_a_number_or_a_text(tmp_path: Path) -> None:
    values = {"observations.value_text": ["Never smoker"]}
    taken = take_in_files(tmp_path, SYNTHEA, "synthea_csv", values=values)
    columns = "value_number, value_text, values_nulled"
    assert taken.rows("observations", columns) == [(61.5, None, 0), (None, "Never smoker", 0)]


# -- structures of FHIR ----------------------------------------------------------------------------

SNOMED = "http://snomed.info/sct"


def concept(*codes: Any, system: str | None = SNOMED) -> dict[str, Any]:
    coding = [{"system": system, "code": code, "display": "Ada Byron"} for code in codes]
    return {"coding": coding, "text": "Ada Byron"}


def observation(**more: Any) -> dict[str, Any]:
    base = {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "category": [concept("vital-signs")],
        "code": concept("29463-7", "3141-9"),
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2019-01-02T10:20:30+09:00",
        "issued": "2019-01-03T10:20:30+09:00",
    }
    return base | more


def observed(tmp_path: Path, columns: str, **more: Any) -> tuple[Any, ...]:
    resources = ndjson(patient(), observation(**more))
    values = {"observation.value_string": ["negative"]}
    taken = take_in_files(tmp_path, {"a.ndjson": resources}, "fhir_r4", values=values)
    (row,) = taken.rows("observation", columns)
    return row


def test_codings_keep_their_order_and_lose_their_words(tmp_path: Path) -> None:
    columns = "codings, category_codes, effective_date, issued_date, status"
    assert observed(tmp_path, columns) == (
        [{"system": SNOMED, "code": "29463-7"}, {"system": SNOMED, "code": "3141-9"}],
        ["vital-signs"],
        date(2019, 1, 2),
        date(2019, 1, 3),
        "final",
    )


def test_a_text_in_the_place_of_a_code_does_not_enter(tmp_path: Path) -> None:
    text = "seen by Ada Byron"
    row = observed(
        tmp_path,
        "codings, category_codes, value_unit, value_codings, value_string, components, status",
        code=concept("29463-7", text),
        category=[concept(text), concept("laboratory")],
        status=text,
        valueQuantity={"value": 61.5, "unit": text},
        valueCodeableConcept=concept(text, "260385009"),
        valueString=text,
        component=[
            {
                "code": concept(text, "8480-6"),
                "valueQuantity": {"value": 120, "unit": text},
                "valueCodeableConcept": concept(text),
                "valueString": text,
            },
            {
                "code": concept("8462-4", system=f"by {text}"),
                "valueQuantity": {"value": 80, "unit": "mmHg"},
            },
        ],
    )
    assert row == (
        [{"system": SNOMED, "code": "29463-7"}],
        ["laboratory"],
        None,
        [{"system": SNOMED, "code": "260385009"}],
        None,
        [
            {
                "codings": [{"system": SNOMED, "code": "8480-6"}],
                "value_number": 120.0,
                "value_comparator": None,
                "value_unit": None,
                "value_codings": [],
                "value_string": None,
            },
            {
                "codings": [],
                "value_number": 80.0,
                "value_comparator": None,
                "value_unit": "mmHg",
                "value_codings": None,
                "value_string": None,
            },
        ],
        None,
    )


@pytest.mark.parametrize(
    ("more", "number", "unit", "text"),
    [
        ({"valueQuantity": {"value": 61.5, "unit": "kilogram", "code": "kg"}}, 61.5, "kg", None),
        ({"valueQuantity": {"value": 61.5, "unit": "kg"}}, 61.5, "kg", None),
        ({"valueInteger": 3}, 3.0, None, None),
        ({"valueString": "negative"}, None, None, "negative"),
        ({"valueString": "Ada Byron"}, None, None, None),
        ({}, None, None, None),
    ],
)
def test_values_of_observations(
    tmp_path: Path, more: dict[str, Any], number: float | None, unit: str | None, text: str | None
) -> None:
    columns = "value_number, value_unit, value_string"
    assert observed(tmp_path, columns, **more) == (number, unit, text)


def test_what_a_patient_brings(tmp_path: Path) -> None:
    def us_core(name: str, code: str) -> dict[str, Any]:
        url = f"http://hl7.org/fhir/us/core/StructureDefinition/us-core-{name}"
        category = {"url": "ombCategory", "valueCoding": {"code": code, "display": "Ada"}}
        return {"url": url, "extension": [{"url": "text", "valueString": "Ada"}, category]}

    one = patient(
        extension=[us_core("ethnicity", "2186-5"), {"url": "other"}, us_core("race", "2106-3")],
        deceasedDateTime="2020-03-04T05:06:07Z",
        name=[{"family": "Byron", "given": ["Ada"]}],
    )
    taken = take_in_files(tmp_path, {"a.ndjson": ndjson(one, patient("p2", gender="f"))}, "fhir_r4")
    columns = "gender, birth_year, birth_month, race_code, ethnicity_code, deceased_date"
    assert taken.rows("patient", columns) == [
        ("female", 1980, 2, "2106-3", "2186-5", date(2020, 3, 4)),
        (None, 1980, 2, None, None, None),
    ]


@pytest.mark.parametrize(
    ("duration", "days"),
    [
        ({"value": 30, "unit": "days", "code": "d"}, 30.0),
        ({"value": 30, "unit": "days"}, 30.0),
        ({"value": 1, "unit": "month", "code": "mo"}, None),
        (None, None),
    ],
)
def test_a_supply_is_read_in_days_only(
    tmp_path: Path, duration: dict[str, Any] | None, days: float | None
) -> None:
    request = {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": concept("140587"),
        "subject": {"reference": "Patient/p1"},
        "authoredOn": "2019-01-02",
        "dispenseRequest": {"expectedSupplyDuration": duration, "quantity": {"value": 60}},
    }
    resources = ndjson(patient(), encounter(), request)
    taken = take_in_files(tmp_path, {"a.ndjson": resources}, "fhir_r4")
    columns = "supply_days, supply_quantity, authored_date"
    assert taken.rows("medication_request", columns) == [(days, 60.0, date(2019, 1, 2))]


@pytest.mark.parametrize(
    ("participant", "is_known", "lost"),
    [
        (["Practitioner/d1"], True, 0),
        (["RelatedPerson/r1", "Practitioner/d1"], True, 0),
        (["RelatedPerson/r1"], False, 1),
        (["Practitioner/?"], False, 1),
        ([None], False, 0),
        ("Practitioner/d1", False, 1),
        (None, False, 0),
    ],
)
def test_the_provider_of_a_visit_is_its_first_practitioner(
    tmp_path: Path, participant: list[str | None] | str | None, is_known: bool, lost: int
) -> None:
    if isinstance(participant, list):
        said: object = [{"individual": {"reference": each}} for each in participant]
    else:
        said = participant
    resources = ndjson(patient(), encounter(participant=said))
    taken = take_in_files(tmp_path, {"a.ndjson": resources}, "fhir_r4")
    query = "provider_id is not null, values_nulled"
    assert taken.rows("encounter", query) == [(is_known, lost)]
