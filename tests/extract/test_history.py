"""What a delivery must have: what carries data, and in a full one what an earlier one had."""

import shutil
from datetime import date
from pathlib import Path

import pytest

from pumasi.config import SitePaths
from pumasi.errors import DeliveryError
from pumasi.extract import discover, pull
from tests.extract.extracts import (
    CONDITIONS,
    OMOP,
    PERSONS,
    SYNTHEA,
    Taken,
    condition,
    encounter,
    ndjson,
    patient,
    site_of,
    take_in,
    take_in_files,
    write_files,
)

JULY = date(2024, 7, 31)
OTHERS = {name: text for name, text in OMOP.items() if name != "condition_occurrence.csv"}
HEADER = CONDITIONS.split("\n", 1)[0] + "\n"


def second(
    tmp_path: Path,
    first: dict[str, str],
    files: dict[str, str],
    form: str = "omop_cdm",
    as_of: date = JULY,
    statement: str = "",
) -> Taken:
    """What a second delivery left; `first` is read before it."""
    home = tmp_path / "home"
    take_in(site_of(write_files(tmp_path / "june", first), form), home)
    more = {"delivery.toml": f"as_of = {as_of}\n{statement}"}
    return take_in(site_of(write_files(tmp_path / "july", files | more), form), home)


# -- columns that carry data -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "renamed", "hint"),
    [
        ("visit_occurrence_id", "visit_id", " (renamed to `visit_id`?)"),
        ("condition_end_date", "condition_stop_date", " (renamed to `condition_stop_date`?)"),
        ("condition_source_value", "kcd", ""),
    ],
)
def test_a_renamed_column_that_carries_data_is_refused(
    tmp_path: Path, column: str, renamed: str, hint: str
) -> None:
    text = CONDITIONS.replace(column, renamed)
    with pytest.raises(DeliveryError) as raised:
        take_in_files(tmp_path, OMOP | {"condition_occurrence.csv": text})
    assert str(raised.value) == (
        f"condition_occurrence.csv, line 1: column `{column}` of table condition_occurrence is "
        f"missing{hint}; nothing of this delivery was taken in. Ask the source for it"
    )


@pytest.mark.parametrize("column", ["VALUE", "UNITS", "ENCOUNTER"])
def test_a_synthea_file_without_a_column_that_carries_data(tmp_path: Path, column: str) -> None:
    text = SYNTHEA["observations.csv"].replace(column, "X", 1)
    with pytest.raises(DeliveryError, match=f"column `{column.lower()}` of table observations is"):
        take_in_files(tmp_path, SYNTHEA | {"observations.csv": text}, "synthea_csv")


def test_a_row_may_lack_what_its_file_must_have(tmp_path: Path) -> None:
    taken = take_in_files(tmp_path, OMOP)
    assert taken.counts("condition_occurrence") == (4, 4, 0, 0, 0)
    assert taken.rows("condition_occurrence", "condition_end_date")[1:] == [(None,)] * 3


# -- tables ----------------------------------------------------------------------------------------


def test_a_table_whose_name_is_misspelt_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError) as raised:
        take_in_files(tmp_path, OTHERS | {"condition_ocurrence.csv": CONDITIONS})
    assert str(raised.value) == (
        "site tiny, delivery extract: condition_ocurrence.csv is called nearly as table "
        "condition_occurrence, which is not delivered; nothing of it was taken in. Call it "
        "condition_occurrence, or send a condition_occurrence with only its header"
    )


def test_a_misspelt_name_beside_the_table_is_a_finding(tmp_path: Path) -> None:
    taken = take_in_files(tmp_path, OMOP | {"condition_ocurrence.csv": CONDITIONS})
    assert taken.manifest.findings[-1] == (
        "condition_ocurrence.csv: not used; if it is part of condition_occurrence, call it "
        "condition_occurrence_1, _2, …"
    )


@pytest.mark.parametrize("name", ["person.old.csv", "person.bak.csv", "person_2024a.csv"])
def test_an_old_copy_of_a_table_is_not_the_table(tmp_path: Path, name: str) -> None:
    taken = take_in_files(tmp_path, OMOP | {name: PERSONS.replace("1950", "1951")})
    assert taken.counts("person") == (3, 3, 0, 0, 0)
    assert f"{name}: not used; if it is part of person, call it person_1, _2, …" in (
        taken.manifest.findings
    )


def test_a_full_delivery_without_a_table_that_was_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError) as raised:
        second(tmp_path, OMOP, OTHERS)
    message = str(raised.value)
    assert message.startswith(
        "site tiny, delivery july: it is full, but lacks table condition_occurrence, which delivery"
    )
    assert message.endswith(
        " (as of 2024-06-30) had: all of it would be deleted. Nothing of it was taken in. Ask the "
        "source for it; if it is meant, send a condition_occurrence with its header and no rows"
    )


def test_the_remedies_in_that_message_are_some(tmp_path: Path) -> None:
    empty = second(tmp_path / "a", OMOP, OTHERS | {"condition_occurrence.csv": HEADER})
    assert empty.counts("condition_occurrence") == (0, 0, 0, 0, 0)
    part = second(tmp_path / "b", OMOP, OTHERS, statement='kind = "incremental"')
    assert part.counts("person") == (3, 3, 0, 0, 0)


def test_an_older_delivery_that_comes_late_need_not_have_it(tmp_path: Path) -> None:
    late = second(tmp_path, OMOP, OTHERS, as_of=date(2020, 1, 1))
    assert late.counts("person") == (3, 3, 0, 0, 0)


def test_a_full_delivery_without_a_column_that_was_there_is_refused(tmp_path: Path) -> None:
    text = CONDITIONS.replace("condition_type_concept_id", "kind")
    with pytest.raises(DeliveryError) as raised:
        second(tmp_path, OMOP, OMOP | {"condition_occurrence.csv": text})
    message = str(raised.value)
    assert "lacks column `condition_type_concept_id` of table condition_occurrence" in message
    assert message.endswith("if it is meant, send it without values")


def test_a_full_delivery_without_a_resource_type_that_was_there(tmp_path: Path) -> None:
    first = {"Patient.ndjson": ndjson(patient()), "all.ndjson": ndjson(condition(), encounter())}
    files = {"Patient.ndjson": ndjson(patient()), "Encounter.ndjson": ndjson(encounter())}
    with pytest.raises(DeliveryError) as raised:
        second(tmp_path / "a", first, files, "fhir_r4")
    assert "it is full, but lacks Condition, which delivery" in str(raised.value)
    assert str(raised.value).endswith("if it is meant, send an empty Condition.ndjson")
    taken = second(tmp_path / "b", first, files | {"Condition.ndjson": ""}, "fhir_r4")
    assert taken.counts("condition") == (0, 0, 0, 0, 0)


# -- incremental deliveries ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "first", "files", "table"),
    [
        ("omop_cdm", OMOP, {"condition_occurrence.csv": CONDITIONS}, "condition_occurrence"),
        (
            "fhir_r4",
            {"Patient.ndjson": ndjson(patient())},
            {"Encounter.ndjson": ndjson(encounter())},
            "encounter",
        ),
    ],
)
def test_an_incremental_delivery_needs_no_persons(
    tmp_path: Path, form: str, first: dict[str, str], files: dict[str, str], table: str
) -> None:
    taken = second(tmp_path, first, files, form, statement='kind = "incremental"')
    assert taken.report.tables[table].rows_read > 0
    assert taken.manifest.kind == "incremental"


def test_an_incremental_delivery_without_any_row_is_refused(tmp_path: Path) -> None:
    files = {"condition_occurrence.csv": HEADER}
    with pytest.raises(DeliveryError) as raised:
        second(tmp_path, OMOP, files, statement='kind = "incremental"')
    assert str(raised.value).endswith(
        " (july): no row could be read; nothing of it was taken in. Mend that, or ask the source "
        "whether its export is whole"
    )


# -- statements that change ------------------------------------------------------------------------


def test_a_corrected_date_counts_before_the_delivery_is_read(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "june", OMOP | {"delivery.toml": "as_of = 2024-06-03"})
    paths = SitePaths.of("tiny", tmp_path / "home")
    (delivery,) = discover(site_of(folder))
    assert pull(site_of(folder), delivery, paths).as_of == date(2024, 6, 3)
    write_files(folder, {"delivery.toml": 'as_of = 2024-06-30\nkind = "incremental"'})
    taken = take_in(site_of(folder), tmp_path / "home")
    assert (taken.manifest.as_of, taken.manifest.kind) == (date(2024, 6, 30), "incremental")
    stated = taken.rows("delivery", "as_of, kind, 1 as file_no, 1 as line_no")
    assert stated[0][:2] == (date(2024, 6, 30), "incremental")


def test_a_date_corrected_after_the_delivery_was_read_is_refused_with_both(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "june", OMOP | {"delivery.toml": "as_of = 2024-06-03"})
    first = take_in(site_of(folder), tmp_path / "home")
    write_files(folder, {"delivery.toml": "as_of = 2024-06-30"})
    with pytest.raises(DeliveryError) as raised:
        take_in(site_of(folder), tmp_path / "home")
    identity = first.manifest.delivery_id
    assert str(raised.value) == (
        "site tiny, delivery june: this content was read as full, as of 2024-06-03, extracted "
        "through 2024-06-03, but is now said to be full, as of 2024-06-30, extracted through "
        f"2024-06-30; nothing was changed. To correct it, remove the folder raw/{identity} of this "
        "hospital and pull again; or state again what was stated, in delivery.toml beside its files"
    )
    shutil.rmtree(first.paths.raw / identity)
    again = take_in(site_of(folder), tmp_path / "home")
    assert again.manifest.as_of == date(2024, 6, 30)
