"""What other programs write: null as a word, quotation marks in tab-separated files, instants."""

from pathlib import Path

import duckdb
import pytest

from pumasi.errors import DeliveryError
from tests.extract.extracts import (
    CONDITIONS,
    OMOP,
    PERIODS,
    PERSONS,
    ndjson,
    patient,
    take_in_files,
)


@pytest.mark.parametrize("token", ["NULL", "null", "\\N", "(null)", "<NULL>"])
def test_a_word_for_null_is_null_in_ids_numbers_dates_and_codes(tmp_path: Path, token: str) -> None:
    row = f"15,101,317009,2015-02-03,{token},{token},x,{token},{token}\n"
    taken = take_in_files(tmp_path, OMOP | {"condition_occurrence.csv": CONDITIONS + row})
    assert taken.counts("condition_occurrence") == (5, 5, 0, 0, 0)
    columns = "condition_end_date, condition_type_concept_id, visit_occurrence_id"
    last = taken.rows("condition_occurrence", f"{columns}, condition_source_value")[-1]
    assert last == (None, None, None, None)


def test_na_is_null_where_it_can_mean_nothing_else(tmp_path: Path) -> None:
    """As a code it is sodium in many a laboratory, and Namibia."""
    row = "15,101,317009,2015-02-03,NA,NaN,x,NA,NA\n16,NA,317009,2015-02-03,,,,,\n"
    taken = take_in_files(tmp_path, OMOP | {"condition_occurrence.csv": CONDITIONS + row})
    assert taken.counts("condition_occurrence") == (6, 5, 1, 0, 0)
    columns = "condition_end_date, condition_type_concept_id, visit_occurrence_id"
    last = taken.rows("condition_occurrence", f"{columns}, condition_source_value")[-1]
    assert last == (None, None, None, "NA")
    assert taken.quarantine("reason") == [("person_id is missing",)]


@pytest.mark.parametrize("header", ["plain", "quoted"])
def test_a_tab_separated_file_with_values_in_quotation_marks(tmp_path: Path, header: str) -> None:
    def quoted(text: str) -> str:
        first, *rows = text.splitlines()
        rows = ["\t".join(f'"{value}"' for value in row.split(",")) for row in rows]
        first = "\t".join(f'"{n}"' if header == "quoted" else n for n in first.split(","))
        return "\n".join([first, *rows]) + "\n"

    taken = take_in_files(tmp_path / "q", {name: quoted(text) for name, text in OMOP.items()})
    assert taken.content() == take_in_files(tmp_path / "plain", OMOP).content()


@pytest.mark.parametrize("suffix", ["parquet", "duckdb"])
@pytest.mark.parametrize("column", ["condition_start_date", "condition_start_datetime"])
def test_an_instant_has_no_day(tmp_path: Path, suffix: str, column: str) -> None:
    path = tmp_path / f"condition_occurrence.{suffix}"
    made = (
        "select 1 as condition_occurrence_id, 101 as person_id, 317009 as condition_concept_id, "
        "date '2015-01-01' as condition_start_date, null as condition_end_date, "
        "null as visit_occurrence_id, null as condition_source_value, "
        "timestamptz '2015-01-01 23:30:00+00' as condition_start_datetime"
    )
    if column == "condition_start_date":
        made = f"select * replace (condition_start_datetime as condition_start_date) from ({made})"
    with duckdb.connect(str(path) if suffix == "duckdb" else ":memory:") as connection:
        if suffix == "duckdb":
            connection.execute(f"create table condition_occurrence as {made}")
        else:
            connection.execute(f"copy ({made}) to '{path}'")
    files = {"person.csv": PERSONS, "observation_period.csv": PERIODS, path.name: path.read_bytes()}
    if column == "condition_start_datetime":  # no contract names it
        assert take_in_files(tmp_path, files).counts("condition_occurrence") == (1, 1, 0, 0, 0)
        return
    with pytest.raises(DeliveryError) as raised:
        take_in_files(tmp_path, files)
    assert str(raised.value).endswith(
        ": column `condition_start_date` of table condition_occurrence is a time with time zone: "
        "which day it is depends on the zone, and the hospital's is not in the file. Nothing of "
        "this delivery was taken in. Export it as local time without a zone (timestamp) or as date"
    )


def test_a_lone_carriage_return_in_lines_is_named_by_its_line(tmp_path: Path) -> None:
    text = ndjson(patient("p1"), patient("p2")).replace('"p2", "gender"', '"p2", \r"gender"')
    with pytest.raises(DeliveryError) as raised:
        take_in_files(tmp_path, {"Patient.ndjson": text}, "fhir_r4")
    assert " Line 2 has a carriage return in it, which ends a line for some." in str(raised.value)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Patient.ndjson", True),
        ("Patient.000.ndjson", True),
        ("patient-part-2.ndjson.gz", True),
        ("Kim_Minsu.ndjson", False),
        ("Patient_Kim_Minsu.ndjson", False),
        ("Kim_Minsu/Patient.ndjson", False),
    ],
)
def test_a_file_of_lines_is_called_by_its_type_or_by_a_hash(
    tmp_path: Path, name: str, shown: bool
) -> None:
    files = {name: ndjson(patient(), patient("p2", birthDate="x"))}
    taken = take_in_files(
        tmp_path, files | {"Goal.ndjson": ndjson({"resourceType": "Goal"})}, "fhir_r4"
    )
    label = taken.manifest.files[0].label
    assert (label == name) is shown
    assert taken.quarantine("file") == [(label,)]
    manifest = (taken.paths.deliveries / f"{taken.manifest.delivery_id}.json").read_text()
    assert "Kim" not in manifest
    if not shown:
        assert label.startswith("lines-")
