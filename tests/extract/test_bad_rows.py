"""A row that can't be read goes to quarantine by its place; nothing else is lost, no text kept."""

import hashlib
import hmac
import json
from pathlib import Path

import duckdb
import pytest

from pumasi.errors import DeliveryError
from tests.extract.extracts import (
    CONDITIONS,
    KEY,
    OMOP,
    PERIODS,
    PERSONS,
    Taken,
    bundle,
    condition,
    encounter,
    ndjson,
    patient,
    take_in_files,
)

PLACE = "source_table, file, line_no, byte_offset, line_hash, reason"


def expected_place(content: bytes, bad: bytes) -> tuple[int, int, str]:
    """Line, byte offset and keyed hash of the only line with these bytes in it."""
    offset = content.index(bad)
    start = content.rfind(b"\n", 0, offset) + 1
    line = content[start:].split(b"\n", 1)[0].rstrip(b"\r")
    keyed = hmac.new(KEY, b"line:" + line, hashlib.sha256).hexdigest()
    return content.count(b"\n", 0, start) + 1, start, keyed


def assert_quarantined(
    taken: Taken, name: str, content: bytes, bad: list[tuple[str, bytes, str]]
) -> None:
    """The quarantine is these rows, each (table, bytes of the line, reason), and nothing else."""
    wanted = [
        (table, name, *expected_place(content, piece), reason) for table, piece, reason in bad
    ]
    assert taken.quarantine(PLACE) == wanted


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_date_that_is_no_date_is_located_in_the_file(
    tmp_path: Path, suffix: str, end: str
) -> None:
    text = CONDITIONS.replace("2016-03-04", "04.03.2016").replace("\n", end)
    taken = take_in_files(
        tmp_path, OMOP | {f"condition_occurrence.csv{suffix}": text} | gone(suffix)
    )
    assert taken.counts("condition_occurrence") == (4, 3, 1, 0, 0)
    assert [row[0] for row in taken.rows("condition_occurrence", "line_no")] == [2, 4, 5]
    assert_quarantined(
        taken,
        f"condition_occurrence.csv{suffix}",
        text.encode(),
        [("condition_occurrence", b"04.03.2016", "condition_start_date is not a date")],
    )


def gone(suffix: str) -> dict[str, str]:
    """With a suffix the plain file must not be there as well: leave a header in its place."""
    return {"condition_occurrence.csv": CONDITIONS.split("\n", 1)[0] + "\n"} if suffix else {}


@pytest.mark.parametrize(
    ("good", "bad", "reason"),
    [
        ("11,101,", ",101,", "condition_occurrence_id is missing"),
        ("11,101,", "11,,", "person_id is missing"),
        ("11,101,", "11, ,", "person_id is missing"),
        ("101,317009", "101,", "condition_concept_id is missing"),
        ("101,317009", "101,asthma", "condition_concept_id is not an integer"),
        ("101,317009", "101,317009.5", "condition_concept_id is not an integer"),
        ("101,317009", "101,99999999999", "condition_concept_id is not an integer"),
        ("2015-02-03", "", "condition_start_date is missing"),
        ("2015-02-03", "2015-02", "condition_start_date is not a date"),
        ("2015-02-03", "2015", "condition_start_date is not a date"),
        ("2015-02-03", "2015-02-30", "condition_start_date is not a date"),
        ("2015-02-03", "2015-2-3", "condition_start_date is not a date"),
        ("2015-02-03", "2015/02/03", "condition_start_date is not a date"),
        ("2015-02-03", "infinity", "condition_start_date is not a date"),
        ("2015-02-03", "epoch", "condition_start_date is not a date"),
        ("2015-02-03", "2015-02-031", "condition_start_date is not a date"),
    ],
)
def test_a_required_value_of_wrong_content(
    tmp_path: Path, good: str, bad: str, reason: str
) -> None:
    text = CONDITIONS.replace(good, bad, 1)
    taken = take_in_files(tmp_path, OMOP | {"condition_occurrence.csv": text})
    assert taken.counts("condition_occurrence") == (4, 3, 1, 0, 0)
    line = text.splitlines()[1].encode()
    assert_quarantined(
        taken, "condition_occurrence.csv", text.encode(), [("condition_occurrence", line, reason)]
    )


def test_an_optional_value_of_wrong_content_is_nulled_and_counted(tmp_path: Path) -> None:
    text = CONDITIONS.replace("2015-02-10", "soon").replace("32020", "typed")
    taken = take_in_files(tmp_path, OMOP | {"condition_occurrence.csv": text})
    assert taken.counts("condition_occurrence") == (4, 4, 0, 0, 5)
    ends = taken.rows("condition_occurrence", "condition_end_date, condition_type_concept_id")
    assert ends == [(None, None)] * 4


def test_a_line_with_bytes_that_are_no_utf_8(tmp_path: Path) -> None:
    """Korean in EUC-KR, say. In a column that doesn't enter it hurts nobody."""
    asthma, better = "천식".encode("euc-kr"), "나았음".encode("euc-kr")
    text = CONDITIONS.encode().replace(b"501,195967001", b"501," + asthma)
    text = text.replace(b"got better", better).replace(b"2018-05-06", b"20180506")
    taken = take_in_files(tmp_path, OMOP | {"condition_occurrence.csv": text})
    assert taken.counts("condition_occurrence") == (4, 2, 2, 0, 0)
    assert [row[0] for row in taken.rows("condition_occurrence", "line_no")] == [3, 4]
    assert_quarantined(
        taken,
        "condition_occurrence.csv",
        text,
        [
            ("condition_occurrence", asthma, "invalid encoding"),
            ("condition_occurrence", b"20180506", "condition_start_date is not a date"),
        ],
    )


def test_rows_with_too_few_and_too_many_columns(tmp_path: Path) -> None:
    lines = CONDITIONS.splitlines(keepends=True)
    lines[1] = "11,101,317009\n"
    lines[4] = lines[4].replace("\n", ",more,and more\n")
    text = "".join(lines)
    taken = take_in_files(tmp_path, OMOP | {"condition_occurrence.csv": text})
    assert taken.counts("condition_occurrence") == (4, 2, 2, 0, 0)
    assert [row[0] for row in taken.rows("condition_occurrence", "line_no")] == [3, 4]
    assert_quarantined(
        taken,
        "condition_occurrence.csv",
        text.encode(),
        [
            ("condition_occurrence", b"11,101", "missing columns"),
            ("condition_occurrence", b"and more", "too many columns"),
        ],
    )


def test_an_unterminated_quote_in_the_last_row_costs_that_row_only(tmp_path: Path) -> None:
    text = CONDITIONS.replace("255573,2018-05-06,,32020,,", '255573,2018-05-06,,32020,"got,')
    taken = take_in_files(tmp_path, OMOP | {"condition_occurrence.csv": text})
    assert taken.counts("condition_occurrence") == (4, 3, 1, 0, 0)
    assert_quarantined(
        taken,
        "condition_occurrence.csv",
        text.encode(),
        [("condition_occurrence", b'"got', "unquoted value")],
    )


def test_a_line_break_inside_quotes_is_part_of_the_text(tmp_path: Path) -> None:
    for number, value in enumerate(
        ['"got\nbetter"', '"got\n\n\nbetter"', '"got\r\n\r\nbetter"', '"\n"', '"a ""b""\nc,d"']
    ):
        text = CONDITIONS.replace("got better", value)
        taken = take_in_files(tmp_path / str(number), OMOP | {"condition_occurrence.csv": text})
        assert taken.counts("condition_occurrence") == (4, 4, 0, 0, 0), value


def test_places_are_right_behind_texts_of_several_lines_and_blank_lines(tmp_path: Path) -> None:
    """A blank line is none, a text of three lines is one row, and one bad row is behind them."""
    lines = CONDITIONS.splitlines(keepends=True)
    lines[1] = "\n\n" + lines[1].replace("32020,,", '32020,"still\n\n\n5"" ill",')
    lines[2] = "\n12,102\n"
    lines[3] = lines[3].replace("32020,,", '32020,6" tall,')  # opens nothing: it begins no value
    lines[4] = lines[4].replace("2018-05-06", "20180506")
    text = "".join(lines)
    taken = take_in_files(tmp_path, OMOP | {"condition_occurrence.csv": text})
    assert taken.counts("condition_occurrence") == (4, 2, 2, 0, 0)
    # Rows are numbered as records, the header being the first; the quarantine names lines.
    assert [row[0] for row in taken.rows("condition_occurrence", "line_no")] == [2, 4]
    assert_quarantined(
        taken,
        "condition_occurrence.csv",
        text.encode(),
        [
            ("condition_occurrence", b"12,102\n", "missing columns"),
            ("condition_occurrence", b"20180506", "condition_start_date is not a date"),
        ],
    )


def test_a_quotation_mark_in_a_tab_separated_file_opens_nothing(tmp_path: Path) -> None:
    text = CONDITIONS.replace(",", "\t").replace("got better", '"got better')
    text = text.replace("2018-05-06", "20180506")
    taken = take_in_files(tmp_path, OMOP | {"condition_occurrence.csv": text})
    assert taken.counts("condition_occurrence") == (4, 3, 1, 0, 0)
    assert_quarantined(
        taken,
        "condition_occurrence.csv",
        text.encode(),
        [("condition_occurrence", b"20180506", "condition_start_date is not a date")],
    )


def test_a_row_of_a_parquet_file_is_quarantined_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select 10 + i as condition_occurrence_id, 101 as person_id, "
            "317009 as condition_concept_id, case when i <> 2 then date '2015-01-01' end as "
            "condition_start_date, null as condition_end_date, null as visit_occurrence_id, "
            f"null as condition_source_value from range(4) as r(i)) to '{path}'"
        )
    files = {"person.csv": PERSONS, "observation_period.csv": PERIODS}
    taken = take_in_files(tmp_path, files | {"condition_occurrence.parquet": path.read_bytes()})
    assert taken.counts("condition_occurrence") == (4, 3, 1, 0, 0)
    assert taken.quarantine(PLACE) == [
        (
            "condition_occurrence",
            "condition_occurrence.parquet",
            3,
            None,
            None,
            "condition_start_date is missing",
        )
    ]


# -- FHIR ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_malformed_lines_of_ndjson(tmp_path: Path, suffix: str) -> None:
    lines = [
        ndjson(patient("p1")).encode(),
        b'{"resourceType": "Patient", "id": "p2", "gender": "male"\n',
        b"\n",
        b'{"resourceType": "Patient", "id": "\xff\xfe", "birthDate": "1980-01-01"}\n',
        b'{"id": "p3", "birthDate": "1980-01-01"}\n',
        b'["not", "a", "resource"]\n',
        b"42\n",
        b"   \n",
        b"null\n",
        ndjson(patient("p4")).encode(),
        b'{"resourceType": "Patient", "id": "p5", "gender": "male"}\n',
        b'{"resourceType": "Patient", "id": "p6", "birthDate": "198',
    ]
    content = b"".join(lines)
    taken = take_in_files(tmp_path, {f"Patient.ndjson{suffix}": content}, "fhir_r4")
    assert taken.counts("patient") == (11, 2, 9, 0, 0)
    assert [row[0] for row in taken.rows("patient", "line_no")] == [1, 10]
    reasons = [
        (1, "malformed JSON"),
        (3, "invalid encoding"),
        (4, "no resourceType"),
        (5, "no resourceType"),
        (6, "no resourceType"),
        (7, "malformed JSON"),
        (8, "malformed JSON"),
        (10, "birth_year is missing"),
        (11, "malformed JSON"),
    ]
    offsets = [len(b"".join(lines[:index])) for index in range(len(lines))]
    assert taken.quarantine("line_no, byte_offset, reason, line_hash") == [
        (
            index + 1,
            offsets[index],
            reason,
            hmac.new(KEY, b"line:" + lines[index].rstrip(b"\n"), hashlib.sha256).hexdigest(),
        )
        for index, reason in reasons
    ]
    assert {row[0] for row in taken.quarantine("file")} == {f"Patient.ndjson{suffix}"}


def test_a_line_that_is_too_long_is_quarantined(tmp_path: Path) -> None:
    long = ndjson(patient("p2", note="x" * (5 << 20)))
    content = ndjson(patient("p1")) + long + ndjson(patient("p3"))
    taken = take_in_files(tmp_path, {"Patient.ndjson": content}, "fhir_r4")
    assert taken.counts("patient") == (3, 2, 1, 0, 0)
    assert [row[0] for row in taken.rows("patient", "line_no")] == [1, 3]
    (row,) = taken.quarantine("line_no, byte_offset, reason")
    assert row == (2, len(ndjson(patient("p1"))), "line size over maximum")


def test_lines_of_a_mixed_file_are_numbered_right_around_a_broken_one(tmp_path: Path) -> None:
    """Every table reads the same file; the broken lines are in quarantine once."""
    content = (
        ndjson(patient("p1")).encode()
        + b'{"resourceType": "Goal", "id": "\xff"}\n'
        + ndjson(encounter("e1")).encode()
        + b"{broken\n"
        + ndjson({"resourceType": "Goal", "id": "g"}, condition("c1"), patient("p2")).encode()
    )
    taken = take_in_files(tmp_path, {"all.ndjson": content}, "fhir_r4")
    assert taken.rows("patient", "line_no") == [(1,), (7,)]
    assert taken.rows("encounter", "line_no") == [(3,)]
    assert taken.rows("condition", "line_no") == [(6,)]
    assert taken.counts("Goal") == (1, 0, 0, 1, 0)
    places = taken.quarantine("source_table, line_no, reason")
    assert places == [("patient", 2, "invalid encoding"), ("patient", 4, "malformed JSON")]


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (encounter(subject=""), "patient_id is missing"),
        (encounter(period={"start": "2019"}), "start_date is not a date"),
        (encounter(period={}), "start_date is missing"),
        (encounter(period="2019-01-01"), "start_date is missing"),
        (encounter(subject="Patient/"), "subject is no Patient"),
        ({k: v for k, v in encounter().items() if k != "id"}, "encounter_id is missing"),
    ],
)
def test_a_resource_without_what_it_needs(
    tmp_path: Path, resource: dict[str, object], reason: str
) -> None:
    files = {"Patient.ndjson": ndjson(patient()), "Encounter.ndjson": ndjson(resource)}
    taken = take_in_files(tmp_path, files, "fhir_r4")
    assert taken.counts("encounter") == (1, 0, 1, 0, 0)
    assert taken.quarantine("source_table, file, line_no, byte_offset, reason") == [
        ("encounter", "Encounter.ndjson", 1, 0, reason)
    ]


def test_broken_bundles_cost_themselves_and_are_named_by_their_hash(tmp_path: Path) -> None:
    broken = bundle(patient("p2")).encode()[:-20]
    not_utf_8 = bundle(patient("p3")).encode().replace(b"p3", b"\xff\xfe")
    files = {
        "a.json": bundle(patient("p1"), encounter("e1")),
        "Ada_Byron.json": broken,
        "Bob_Stone.json": not_utf_8,
    }
    taken = take_in_files(tmp_path, files, "fhir_r4")
    assert taken.counts("patient") == (3, 1, 2, 0, 0)
    assert taken.counts("encounter") == (1, 1, 0, 0, 0)
    names = sorted(
        f"bundle-{hashlib.sha256(content).hexdigest()[:12]}.json" for content in (broken, not_utf_8)
    )
    assert sorted(taken.quarantine("source_table, file, reason")) == [
        ("patient", name, "malformed JSON") for name in names
    ]


def test_an_entry_of_a_bundle_is_quarantined_by_its_number(tmp_path: Path) -> None:
    text = bundle(patient("p1"), encounter("e1", period={}), encounter("e2"))
    taken = take_in_files(tmp_path, {"a.json": text}, "fhir_r4")
    assert taken.counts("encounter") == (2, 1, 1, 0, 0)
    assert taken.rows("encounter", "line_no") == [(3,)]
    assert taken.quarantine("source_table, line_no, reason") == [
        ("encounter", 2, "start_date is missing")
    ]


def test_only_broken_bundles_are_an_empty_extract(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError, match=r"no row could be read \(the first: line 1 of bundle-"):
        take_in_files(tmp_path, {"a.json": bundle(patient())[:-5]}, "fhir_r4")


def test_a_duplicated_key_or_a_wrong_type_in_json_costs_no_other_row(tmp_path: Path) -> None:
    odd = json.dumps(patient("p2")).replace('"female"', '["female"]') + "\n"
    odd += json.dumps(condition("c9", code="asthma")) + "\n"
    taken = take_in_files(tmp_path, {"all.ndjson": ndjson(patient("p1")) + odd}, "fhir_r4")
    assert taken.counts("patient")[:3] == (2, 2, 0)
    assert taken.rows("patient", "gender") == [("female",), (None,)]
    assert taken.rows("condition", "codings") == [(None,)]
