"""Extracts of a Korean hospital: what enters, days without dashes, and the stated encoding."""

import gzip
from datetime import date, datetime
from pathlib import Path

import pytest

from pumasi.errors import DeliveryError
from tests.extract.extracts import HOSPITAL, every_text, take_in_files

VALUES = {"lab_results.value_text": ("uncertain", "양성")}
LABS = HOSPITAL["lab_results.csv"]
KOREAN = LABS.replace("uncertain", "양성")


def source_of(tmp_path: Path, encoding: str) -> dict[str, object]:
    return {
        "url": str(tmp_path / "extract"),
        "as_of": date(2024, 6, 30),
        "extracted_through": date(2024, 6, 30),
        "encoding": encoding,
    }


def test_every_table_is_read(tmp_path: Path) -> None:
    taken = take_in_files(tmp_path, HOSPITAL, "hospital_csv", values=VALUES)
    read = {name: count.rows_read for name, count in taken.report.tables.items()}
    assert read == {
        "data_dictionary": 0,
        "patients": 2,
        "encounters": 1,
        "diagnoses": 2,
        "orders": 1,
        "lab_results": 2,
        "procedures": 1,
    }
    assert taken.quarantine() == []
    assert taken.manifest.format_version == "1"
    assert taken.manifest.ignored == {"data_dictionary": 1}
    assert taken.rows("patients", "sex, birth_year, birth_month, death_date") == [
        ("F", 1980, 2, None),
        ("M", 1990, 4, date(2020, 1, 1)),
    ]
    assert taken.rows("encounters", "visit_type, start_datetime, end_datetime") == [
        (
            "O",
            datetime.fromisoformat("2019-01-02 10:20"),
            datetime.fromisoformat("2019-01-02 10:35"),
        )
    ]
    assert taken.rows("orders", "order_code, quantity, daily_dose, daily_times, days, route") == [
        ("SIM-EDI-000001", 60.0, 1.0, 2.0, 30, "PO")
    ]
    assert taken.rows("lab_results", "lab_code, specimen_date, value_number, value_text, unit") == [
        ("SIM-LAB-0002", date(2019, 1, 2), 4.0, None, "%"),
        ("SIM-LAB-0024", date(2019, 1, 2), None, "uncertain", None),
    ]


def test_names_regions_and_numbers_of_patients_stay_outside(tmp_path: Path) -> None:
    taken = take_in_files(tmp_path, HOSPITAL, "hospital_csv")
    texts = every_text(taken.paths.raw.glob("*/*.parquet"))
    for secret in ("10000001", "Kim Old", "Seoul", "E0001", "D0001", "R0001", "IM"):
        assert not [text for text in texts if secret == text or secret in text.split()]


@pytest.mark.parametrize("written", ["20190102", "2019-01-02"])
def test_a_day_may_have_no_dashes(tmp_path: Path, written: str) -> None:
    text = HOSPITAL["diagnoses.csv"].replace("20190102", written)
    taken = take_in_files(tmp_path, HOSPITAL | {"diagnoses.csv": text}, "hospital_csv")
    assert taken.rows("diagnoses", "diagnosed_date") == [(date(2019, 1, 2),)] * 2


@pytest.mark.parametrize("written", ["20190230", "2019012", "190102", "201901021"])
def test_a_day_that_is_none_is_nulled_and_counted(tmp_path: Path, written: str) -> None:
    text = HOSPITAL["diagnoses.csv"].replace("20190102", written)
    taken = take_in_files(tmp_path, HOSPITAL | {"diagnoses.csv": text}, "hospital_csv")
    assert taken.rows("diagnoses", "diagnosed_date") == [(None,)] * 2
    assert taken.counts("diagnoses") == (2, 2, 0, 0, 2)


@pytest.mark.parametrize("encoding", ["utf-8", "cp949"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_both_encodings_give_the_same_rows(tmp_path: Path, encoding: str, suffix: str) -> None:
    files: dict[str, str | bytes] = {
        f"{name}{suffix}": text.encode(encoding)
        for name, text in (HOSPITAL | {"lab_results.csv": KOREAN}).items()
    }
    source = source_of(tmp_path, encoding)
    taken = take_in_files(tmp_path, files, "hospital_csv", values=VALUES, source=source)
    assert taken.rows("lab_results", "value_text") == [(None,), ("양성",)]
    assert taken.quarantine() == []
    assert not list(taken.paths.reading.glob("[!.]*"))


def refusal(tmp_path: Path, text: bytes, encoding: str) -> str:
    source = source_of(tmp_path, encoding)
    files: dict[str, str | bytes] = {**HOSPITAL, "lab_results.csv": text}
    with pytest.raises(DeliveryError) as raised:
        take_in_files(tmp_path, files, "hospital_csv", values=VALUES, source=source)
    return str(raised.value)


@pytest.mark.parametrize(("written", "stated"), [("cp949", "utf-8"), ("utf-8", "cp949")])
def test_a_wrong_encoding_is_told_with_file_and_line(
    tmp_path: Path, written: str, stated: str
) -> None:
    message = refusal(tmp_path, KOREAN.encode(written), stated)
    assert message.startswith(f"lab_results.csv, line 3: its bytes are not {stated.upper()}")
    assert 'encoding = "cp949"' in message
    assert "양성" not in message


def test_text_that_passes_for_the_stated_encoding_is_told_too(tmp_path: Path) -> None:
    text = LABS.replace("uncertain", "경계").encode()
    assert text.decode("cp949") != text.decode()
    assert refusal(tmp_path, text, "cp949").startswith("lab_results.csv, line 3: its bytes are not")


def test_a_header_in_another_encoding(tmp_path: Path) -> None:
    text = KOREAN.replace("value_text", "값").encode("cp949")
    assert refusal(tmp_path, text, "utf-8").startswith("lab_results.csv, line 1: the header is not")


@pytest.mark.parametrize("encoding", ["utf-8", "cp949"])
def test_a_broken_line_among_good_ones_costs_itself(tmp_path: Path, encoding: str) -> None:
    good = KOREAN.encode(encoding)
    broken = b"R0003,10000001,E0001,SIM-LAB-0024,20190102,,,\xff\xfe,\n"
    more = "R0004,10000001,E0001,SIM-LAB-0024,20190103,,,양성,\n".encode(encoding)
    source = source_of(tmp_path, encoding)
    files: dict[str, str | bytes] = {**HOSPITAL, "lab_results.csv": good + broken + more}
    taken = take_in_files(tmp_path, files, "hospital_csv", values=VALUES, source=source)
    assert taken.rows("lab_results", "line_no, value_text") == [(2, None), (3, "양성"), (5, "양성")]
    assert [row[0] for row in taken.quarantine("line_no")] == [4]


def test_only_files_of_this_format_may_be_in_another_encoding(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="only files of format hospital_csv"):
        take_in_files(tmp_path, {}, "omop_cdm", source={"url": "x", "encoding": "cp949"})


def in_korean(text: str | bytes, encoding: str) -> bytes:
    """The text with a Korean name and value; the second byte of the first letter is an `s`."""
    if isinstance(text, bytes):
        return text
    return text.replace("Kim Old", "똠방").replace("uncertain", "양성").encode(encoding)


def changed(name: str, *pairs: tuple[str, str]) -> dict[str, str | bytes]:
    text = HOSPITAL[name]
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    return {**HOSPITAL, name: text}


def without(*names: str) -> dict[str, str | bytes]:
    return {name: text for name, text in HOSPITAL.items() if name not in names}


LABS_TWICE = LABS + LABS.split("\n")[1].replace("R0001", "R0003") + "\n"
BAD_FILES: dict[str, tuple[dict[str, str | bytes], str]] = {
    "a truncated gzip": (
        without("orders.csv")
        | {"orders.CSV.GZ": gzip.compress(HOSPITAL["orders.csv"].encode())[:-9]},
        "orders.CSV.GZ is a truncated gzip after ",
    ),
    "a quotation mark that swallows the rest": (
        changed("diagnoses.csv", ("J459", '"J459')),
        "diagnoses.csv has 3 lines, but 2 are accounted for. Look at line 2",
    ),
    "rows between two quotation marks": (
        {
            **HOSPITAL,
            "lab_results.csv": LABS_TWICE.replace("4.0,,%", '4.0,",%', 1).replace(
                "4.0,,%", '4.0,",%', 1
            ),
        },
        "lab_results.csv, line 2: a value of several lines that begins there holds",
    ),
    "mixed line ends": (
        changed("patients.csv", ("registered_date\n", "registered_date\r\n")),
        "patients.csv: its lines can't be told apart",
    ),
    "line ends of an old Mac": (
        {**HOSPITAL, "patients.csv": HOSPITAL["patients.csv"].replace("\n", "\r")},
        "patients.csv, line 1: lines end with a lone carriage return",
    ),
    "a missing column": (
        changed("lab_results.csv", (",unit\n", "\n"), (",,%\n", ",\n"), (",uncertain,", ",")),
        "lab_results.csv, line 1: column `unit` of table lab_results is missing",
    ),
    "a renamed column": (
        changed("diagnoses.csv", ("diagnosed_date", "diagnosis_date")),
        "diagnoses.csv, line 1: column `diagnosed_date` of table diagnoses is missing "
        "(renamed to `diagnosis_date`?)",
    ),
    "a column that is there twice": (
        changed("patients.csv", ("region", "PATIENT_NO")),
        "patients.csv, line 1: column `patient_no` is there twice",
    ),
    "a table without its header": (
        {**HOSPITAL, "patients.csv": HOSPITAL["patients.csv"].split("\n", 1)[1]},
        "patients.csv, line 1: no column of table patients is there",
    ),
    "a header in UTF-16": (
        {**HOSPITAL, "patients.csv": HOSPITAL["patients.csv"].encode("utf-16")},
        "patients.csv, line 1: the header is not UTF-8",
    ),
    "an empty file": ({**HOSPITAL, "orders.csv": ""}, "orders.csv, line 1: the file has no header"),
    "blank lines": ({**HOSPITAL, "orders.csv": "\n\n"}, "orders.csv, line 1: the file has no head"),
    "a delimiter that is none": (
        {**HOSPITAL, "orders.csv": HOSPITAL["orders.csv"].replace(",", "^")},
        "orders.csv, line 1: no column of table orders is there; is it the header?",
    ),
    "a lone carriage return in a value": (
        changed("lab_results.csv", ("uncertain", "un\rcertain")),
        "lab_results.csv: its lines can't be told apart",
    ),
    "no patient that can be read": (
        {**HOSPITAL, "patients.csv": HOSPITAL["patients.csv"].replace(",19", ",1x")},
        "no row of patients could be read (the first: line 2 of patients.csv, birth_year is not",
    ),
    "no patients": (without("patients.csv"), "has no rows of patients: an empty extract"),
    "only headers": (
        {name: text.split("\n", 1)[0] + "\n" for name, text in HOSPITAL.items()},
        "no row could be read; nothing of it was taken in",
    ),
    "a name that is misspelt": (
        without("diagnoses.csv") | {"diagnosis.csv": HOSPITAL["diagnoses.csv"]},
        "diagnosis.csv is called nearly as table diagnoses, which is not delivered",
    ),
}


@pytest.mark.parametrize("encoding", ["utf-8", "cp949"])
@pytest.mark.parametrize("what", BAD_FILES)
def test_a_bad_file_refuses_the_delivery(tmp_path: Path, what: str, encoding: str) -> None:
    files, said = BAD_FILES[what]
    with pytest.raises(DeliveryError) as raised:
        take_in_files(
            tmp_path,
            {name: in_korean(text, encoding) for name, text in files.items()},
            "hospital_csv",
            source=source_of(tmp_path, encoding),
        )
    assert said.replace("UTF-8", encoding.upper()) in str(raised.value)
    assert not any(word in str(raised.value) for word in ("똠방", "양성", "10000001"))
    home = tmp_path / "home" / "sites" / "tiny"
    assert not (home / "raw").exists()
    assert [path.name for path in (home / "reading").rglob("*")] in ([], [".lock"])


BAD_ROWS = [
    ("patients.csv", "19800203", "800203", "birth_year is not an admitted year"),
    ("patients.csv", ",F,", ",여,", "sex is not an admitted value"),
    ("patients.csv", "10000001,Kim", ",Kim", "patient_no is missing"),
    ("encounters.csv", "2019-01-02 10:20", "10:20", "start_datetime is not a time"),
    ("patients.csv", "19800203", "19800230", "birth_year is not an admitted year"),
    ("patients.csv", "19800203", "03.02.1980", "birth_year is not an admitted year"),
    ("patients.csv", "19800203", "", "birth_year is missing"),
    ("encounters.csv", ",O,", ",,", "visit_type is missing"),
    ("encounters.csv", "2019-01-02 10:20", "", "start_datetime is missing"),
    ("encounters.csv", "2019-01-02 10:20", "2019-01-02 25:00", "start_datetime is not a time"),
    ("encounters.csv", "2019-01-02 10:20", "2019-02-30 10:20", "start_datetime is not a time"),
    ("encounters.csv", "2019-01-02 10:20", "infinity", "start_datetime is not a time"),
    ("encounters.csv", "E0001,10000001", "E0001,\\N", "patient_no is missing"),
    ("encounters.csv", "E0001,10000001", "E0001,N/A", "patient_no is missing"),
    ("encounters.csv", "E0001,10000001", "E0001, ", "patient_no is missing"),
    ("diagnoses.csv", "J459", "asthma of Kim Old", "kcd_code is not an admitted code"),
    ("diagnoses.csv", "D0001,10000001", "D0001,NULL", "patient_no is missing"),
    ("orders.csv", "O0001", "", "order_no is missing"),
    ("lab_results.csv", "SIM-LAB-0002", "010-1234-5678", "lab_code is not an admitted code"),
    ("procedures.csv", "SIM-PROC-0001", "", "procedure_code is missing"),
]


@pytest.mark.parametrize("encoding", ["utf-8", "cp949"])
@pytest.mark.parametrize(("name", "good", "bad", "reason"), BAD_ROWS)
def test_a_row_without_what_it_needs_is_quarantined(
    tmp_path: Path, name: str, good: str, bad: str, reason: str, encoding: str
) -> None:
    files: dict[str, str | bytes] = {
        each: in_korean(text, encoding) for each, text in changed(name, (good, bad)).items()
    }
    source = source_of(tmp_path, encoding)
    taken = take_in_files(tmp_path, files, "hospital_csv", source=source)
    table = name.removesuffix(".csv")
    assert taken.quarantine("source_table, file, line_no, reason") == [(table, name, 2, reason)]
    rows_in, read, quarantined, ignored, _ = taken.counts(table)
    assert (rows_in, ignored) == (read + quarantined, 0)
    assert quarantined == 1


def test_a_row_with_too_few_columns_is_quarantined(tmp_path: Path) -> None:
    text = HOSPITAL["orders.csv"] + "O0002,10000001,E0001\n"
    taken = take_in_files(tmp_path, {**HOSPITAL, "orders.csv": text}, "hospital_csv")
    assert taken.counts("orders")[:3] == (2, 1, 1)
    assert [row[0] for row in taken.quarantine("line_no")] == [3]


def test_what_is_optional_and_wrong_is_nulled_and_counted(tmp_path: Path) -> None:
    files = changed("orders.csv", (",60,1,2,30,PO,", ",sixty,one,2,30.5,By mouth,"))
    taken = take_in_files(tmp_path, files, "hospital_csv")
    columns = "quantity, daily_dose, daily_times, days, route"
    assert taken.rows("orders", columns) == [(None, None, 2.0, None, None)]
    assert taken.counts("orders") == (1, 1, 0, 0, 4)
