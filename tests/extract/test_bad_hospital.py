"""Bad files of a Korean hospital in UTF-8 and CP949: what is lost is as little, and where it is."""

import gzip
import hashlib
import hmac
import resource
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pumasi.config import SiteConfig, SitePaths
from pumasi.errors import DeliveryError
from pumasi.extract import discover, pull, read
from pumasi.extract.encoding import write_utf_8
from tests.extract.extracts import (
    CONDITIONS,
    HOSPITAL,
    KEY,
    OMOP,
    PERSONS,
    SYNTHEA,
    Taken,
    every_text,
    site_of,
    take_in,
    take_in_files,
    write_files,
)

LABS = HOSPITAL["lab_results.csv"].replace("uncertain", "양성")
# The second byte of the first letter is an `s` in CP949.
PATIENTS = HOSPITAL["patients.csv"].replace("Kim Old", "똠방").replace("Seoul", "서울")
KOREAN = HOSPITAL | {"lab_results.csv": LABS, "patients.csv": PATIENTS}
VALUES = {"lab_results.value_text": ("양성",)}
MARK = b"\xef\xbb\xbf"
encodings = pytest.mark.parametrize("encoding", ["utf-8", "cp949"])


def config_of(folder: Path, encoding: str, **more: Any) -> SiteConfig:
    source = {
        "url": str(folder),
        "as_of": date(2024, 6, 30),
        "extracted_through": date(2024, 6, 30),
        "encoding": encoding,
    }
    return site_of(folder, "hospital_csv", values=VALUES, source=source | more)


def taken_in(tmp_path: Path, encoding: str, **changed: str | bytes) -> Taken:
    """What is read of the extract in that encoding, with other content for the tables named."""
    files = {
        name: text.encode(encoding)
        for name, text in KOREAN.items()
        if name.removesuffix(".csv") not in changed
    }
    for table, content in changed.items():
        data = content.encode(encoding) if isinstance(content, str) else content
        files[f"{table}.csv"] = data
    return take_in(config_of(write_files(tmp_path / "extract", files), encoding), tmp_path / "home")


# -- the encoding itself ---------------------------------------------------------------------------


def letters() -> list[bytes]:
    """Every letter of two bytes that CP949 has."""
    found = []
    for first in range(0x80, 0x100):
        for second in range(0x100):
            try:
                text = bytes([first, second]).decode("cp949")
            except UnicodeDecodeError:
                continue
            if len(text) == 1:
                found.append(bytes([first, second]))
    return found


def test_no_letter_of_cp949_holds_what_a_csv_is_cut_at() -> None:
    """Backslash and bar, which are second bytes in Shift-JIS and Big5, are none here either."""
    found = letters()
    assert len(found) == 17_048
    assert not {each[1] for each in found} & set(b',;|\t"\r\n\\ \x00')


def test_every_letter_of_cp949_is_one_letter_of_a_name(tmp_path: Path) -> None:
    content = b"".join(b"name " + each + b"\n" for each in letters())
    source, target = tmp_path / "a.csv", tmp_path / "b.csv"
    source.write_bytes(content)
    write_utf_8(source, "cp949", target)
    assert target.read_text("utf-8") == content.decode("cp949")
    # One byte that is no letter makes no other unreadable.
    source.write_bytes(content + b"\xff\n" + content)
    write_utf_8(source, "cp949", target)
    text = content.decode("cp949").encode()
    assert target.read_bytes() == text + b"\xff\n" + text


@encodings
def test_every_container_gives_the_same_content(tmp_path: Path, encoding: str) -> None:
    plain = taken_in(tmp_path / "plain", encoding)
    expected = plain.content()
    assert plain.counts("patients") == (2, 2, 0, 0, 0)
    texts = {name: text for name, text in KOREAN.items() if name != "data_dictionary.csv"}
    for what, files in {
        "utf_8": texts,
        "upper": {
            name.upper(): text.replace(header := text.split("\n")[0], header.upper())
            for name, text in texts.items()
        },
        "crlf": {name: text.replace("\n", "\r\n") for name, text in texts.items()},
        "no_last_newline": {name: text.rstrip("\n") for name, text in texts.items()},
        "blank_lines": {name: text.replace("\n", "\n\n") for name, text in texts.items()},
        "tabs": {name: text.replace(",", "\t") for name, text in texts.items()},
        "semicolons": {name: text.replace(",", ";") for name, text in texts.items()},
        "bars": {name: text.replace(",", "|") for name, text in texts.items()},
        "quoted": {
            name: "".join(
                ",".join(f'"{value}"' for value in line.split(",")) + "\n"
                for line in text.splitlines()
            )
            for name, text in texts.items()
        },
        "gzip": {f"{name}.gz": text for name, text in texts.items()},
    }.items():
        encoded = {name: text.encode(encoding) for name, text in files.items()}
        folder = write_files(tmp_path / what / "extract", encoded)
        taken = take_in(config_of(folder, encoding), tmp_path / what / "home")
        assert taken.content() == expected, what
        assert taken.quarantine() == [], what


# -- places ----------------------------------------------------------------------------------------

SPOILT = [
    # What the line holds, the reason, and whether it is known before DuckDB has read the line.
    ("R0003,,E0001,X,20190102,,,양성,\n", "patient_no is missing"),
    ("R0004,10000001,E0001,양성,20190102,,,,\n", "lab_code is not an admitted code"),
    ("R0005,10000001,E0001,양성\n", "missing columns"),
    ("R0006,10000001,E0001,X,20190102,,,양성,,more\n", "too many columns"),
]


@encodings
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_places_are_those_of_the_file_that_the_hospital_has(
    tmp_path: Path, encoding: str, end: str, suffix: str
) -> None:
    """Before each bad row are letters, which have other lengths in UTF-8, lines and blank lines."""
    good = 'R9{},10000001,E0001,X,20190102,,,"양성\n\n양성 ""양성""",\n\n'
    text = LABS
    for number, (line, _) in enumerate(SPOILT):
        text += good.format(number) + line
    broken = "R0007,10000001,E0001,X,20190102,,,?,\n".encode(encoding).replace(b"?", b"\xb0\xff")
    content = text.replace("\n", end).encode(encoding) + broken.replace(b"\n", end.encode())
    content += good.format(9).replace("\n", end).encode(encoding)
    files = {f"{name}{suffix}": each.encode(encoding) for name, each in KOREAN.items()}
    folder = write_files(tmp_path / "extract", files | {f"lab_results.csv{suffix}": content})
    taken = take_in(config_of(folder, encoding), tmp_path / "home")
    assert taken.counts("lab_results")[:3] == (12, 7, 5)
    wanted = []
    for line, reason in [
        *((each.encode(encoding), why) for each, why in SPOILT),
        (broken, "invalid encoding"),
    ]:
        offset = content.index(line.rstrip(b"\n"))
        keyed = hmac.new(KEY, b"line:" + line.rstrip(b"\n"), hashlib.sha256).hexdigest()
        number = content.count(b"\n", 0, offset) + 1
        wanted.append((f"lab_results.csv{suffix}", number, offset, keyed, reason))
    assert taken.quarantine("file, line_no, byte_offset, line_hash, reason") == wanted
    parquet = [*taken.paths.raw.rglob("*.parquet"), *taken.paths.quarantine.rglob("*.parquet")]
    assert not [each for each in every_text(parquet) if "양성" in each and each != "양성"]


def test_the_same_bad_row_has_its_own_place_in_each_file(tmp_path: Path) -> None:
    bad = "R0003,,E0001,X,20190102,,,양성,\n"
    more = LABS.split("\n")[0] + "\n" + bad
    taken = taken_in(tmp_path, "cp949", lab_results=LABS + bad, lab_results_2=more)
    offsets = {len(each.removesuffix(bad).encode("cp949")) for each in (LABS + bad, more)}
    assert {row[0] for row in taken.quarantine("byte_offset")} == offsets
    assert len({row[0] for row in taken.quarantine("line_hash")}) == 1


# -- bytes that are none ---------------------------------------------------------------------------


@encodings
def test_a_broken_byte_where_nothing_enters_hurts_nobody(tmp_path: Path, encoding: str) -> None:
    patients = PATIENTS.encode(encoding).replace(b"Lee Old", b"\xff\xfe")
    taken = taken_in(tmp_path, encoding, patients=patients)
    assert taken.counts("patients") == (2, 2, 0, 0, 0)
    assert taken.quarantine() == []


BROKEN = [b"\xff", b"\xb0", b"\x8c", b"\xfe\xa1", b"\xb0\xa1\xb0", b'\x80"']


@pytest.mark.parametrize(
    ("encoding", "broken"),
    # The last is a letter in UTF-8.
    [*((e, b) for e in ("utf-8", "cp949") for b in BROKEN), ("cp949", b"\xc9\xa1")],
)
def test_a_broken_byte_costs_its_row_and_no_comma(
    tmp_path: Path, encoding: str, broken: bytes
) -> None:
    """Half a letter before a comma, a quotation mark, a line end; two bytes that are UTF-8 too."""
    rows = [
        b"R0003,10000001,E0001,X,20190102,,,?,mg\n",
        b"R0004,10000001,E0001,X,20190102,,,,?\n",
        b'R0005,10000001,E0001,X,20190102,,,"?",mg\n',
        b"?,10000001,E0001,X,20190102,,,,mg\n",
    ]
    good = "R0006,10000001,E0001,X,20190102,,,양성,mg\n".encode(encoding)
    spoilt = [row.replace(b"?", broken) for row in rows[: 3 if b'"' not in broken else 2]]
    # Enough good lines: a file of mostly broken ones is in another encoding.
    content = LABS.encode(encoding) + b"".join(each + good for each in spoilt) + good * 2
    taken = taken_in(tmp_path, encoding, lab_results=content)
    assert taken.counts("lab_results") == (4 + 2 * len(spoilt), 4 + len(spoilt), len(spoilt), 0, 0)
    assert taken.quarantine("line_no, reason") == [
        (4 + 2 * number, "invalid encoding") for number in range(len(spoilt))
    ]
    assert {row[0] for row in taken.rows("lab_results", "unit")} <= {"%", "mg", None}


@encodings
def test_a_file_that_ends_within_a_letter_loses_its_last_row(tmp_path: Path, encoding: str) -> None:
    last = "R0003,10000001,E0001,X,20190102,,,양".encode(encoding)[:-1]
    taken = taken_in(tmp_path, encoding, lab_results=LABS.encode(encoding) + last)
    assert taken.counts("lab_results") == (3, 2, 1, 0, 0)
    offset = len(LABS.encode(encoding))
    assert taken.quarantine("line_no, byte_offset") == [(4, offset)]


@encodings
def test_a_mark_of_utf_8_is_part_of_no_name_and_refused_where_it_is_none(
    tmp_path: Path, encoding: str
) -> None:
    files = {name: MARK + text.encode() for name, text in HOSPITAL.items()}
    config = config_of(write_files(tmp_path / "extract", files), encoding)
    if encoding == "utf-8":
        assert take_in(config, tmp_path / "home").counts("patients") == (2, 2, 0, 0, 0)
        return
    with pytest.raises(DeliveryError) as raised:
        take_in(config, tmp_path / "home")
    assert str(raised.value) == (
        "diagnoses.csv, line 1: the file begins with the mark of UTF-8, but is said to be CP949; "
        'nothing of this delivery was taken in. Put `encoding = "utf-8"` into [source], or have '
        "the file exported as it is said to be"
    )


# -- lines -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("encoding", "mark"), [("utf-8", b""), ("utf-8", MARK), ("cp949", b"")])
def test_a_header_among_the_rows_is_no_row(tmp_path: Path, encoding: str, mark: bytes) -> None:
    """As it stands in two files that were put one behind the other; no column of it is a number."""
    again = LABS.replace("result_no", "RESULT_NO").encode(encoding)
    taken = taken_in(tmp_path, encoding, lab_results=LABS.encode(encoding) + mark + again)
    assert taken.counts("lab_results") == (5, 4, 1, 0, 0)
    assert taken.quarantine("line_no, reason") == [(4, "the header again")]


@pytest.mark.parametrize(
    ("form", "name", "text"),
    [
        ("omop_cdm", "condition_occurrence.csv", CONDITIONS),
        ("omop_cdm", "person.csv", PERSONS),
        ("synthea_csv", "observations.csv", SYNTHEA["observations.csv"]),
        *(("hospital_csv", name, HOSPITAL[name]) for name in HOSPITAL if "dict" not in name),
    ],
)
def test_a_header_among_the_rows_is_told_in_every_table(
    tmp_path: Path, form: str, name: str, text: str
) -> None:
    header, rows = text.split("\n", 1)
    files = {"omop_cdm": OMOP, "synthea_csv": SYNTHEA, "hospital_csv": HOSPITAL}[form]
    taken = take_in_files(tmp_path, {**files, name: f"{header}\n{rows}{header}\n"}, form)
    line = text.count("\n") + 1
    assert taken.quarantine("file, line_no, reason") == [(name, line, "the header again")]


@encodings
def test_a_file_that_is_there_twice_is_read_twice(tmp_path: Path, encoding: str) -> None:
    """As in every format: which of two rows with one number counts is decided afterwards."""
    taken = taken_in(tmp_path, encoding, lab_results=LABS, lab_results_2=LABS)
    assert taken.counts("lab_results") == (4, 4, 0, 0, 0)
    assert len({row[0] for row in taken.rows("lab_results", "file_no")}) == 2
    assert [row[0] for row in taken.rows("lab_results", "line_no")] == [2, 3, 2, 3]


@encodings
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"\x00\x00\x00\x00\n", "missing columns"),
        (b"\x00" * 512, "missing columns"),
        (b"R0003,10000001,E0001,X,20190102,,," + b"x" * (5 << 20) + b",\n", "line size over maxi"),
        (b'R0003,10000001,E0001,X,20190102,,,"x,\n', "unquoted value"),
    ],
)
def test_a_last_line_that_is_none_costs_itself(
    tmp_path: Path, encoding: str, line: bytes, reason: str
) -> None:
    taken = taken_in(tmp_path, encoding, lab_results=LABS.encode(encoding) + line)
    assert taken.counts("lab_results") == (3, 2, 1, 0, 0)
    ((number, offset, said),) = taken.quarantine("line_no, byte_offset, reason")
    assert (number, offset) == (4, len(LABS.encode(encoding)))
    assert said.startswith(reason)


@encodings
def test_a_zero_byte_in_a_value_is_no_value(tmp_path: Path, encoding: str) -> None:
    labs = LABS.replace("4.0", "4.0\0")
    patients = PATIENTS.replace("똠방", "똠\0방")
    taken = taken_in(tmp_path, encoding, lab_results=labs, patients=patients)
    assert taken.rows("lab_results", "value_number, values_nulled") == [(None, 1), (None, 0)]
    assert taken.counts("patients") == (2, 2, 0, 0, 0)


@encodings
def test_rows_in_another_delimiter_than_the_header_are_quarantined(
    tmp_path: Path, encoding: str
) -> None:
    header, rows = LABS.split("\n", 1)
    taken = taken_in(tmp_path, encoding, lab_results=f"{header}\n{rows.replace(',', ';')}")
    assert taken.counts("lab_results") == (2, 0, 2, 0, 0)
    assert taken.quarantine("line_no, reason") == [(2, "missing columns"), (3, "missing columns")]


@encodings
@pytest.mark.parametrize("line", [2, 3])
def test_rows_between_two_quotation_marks_refuse_the_delivery(
    tmp_path: Path, encoding: str, line: int
) -> None:
    rows = [f"R{n},10000001,E0001,X,20190102,,,양성,mg" for n in range(4)]
    rows[line - 2] = rows[line - 2].replace("양성", '"양성')
    rows[line] = rows[line].replace("양성", '양성"')
    text = "\n".join([LABS.split("\n")[0], *rows]) + "\n"
    with pytest.raises(DeliveryError) as raised:
        taken_in(tmp_path, encoding, lab_results=text)
    said = str(raised.value)
    assert said.startswith(f"lab_results.csv, line {line}: a value of several lines that begins")
    assert "양성" not in said


# -- values ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "number", "nulled"),
    [
        ("61.5", 61.5, 0),
        ("-3", -3.0, 0),
        ("  7 ", 7.0, 0),
        ("", None, 0),
        ("NULL", None, 0),
        ("\\N", None, 0),
        ("N/A", None, 0),
        ("NaN", None, 0),
        ("inf", None, 1),
        ("-Infinity", None, 1),
        ("<5", None, 1),
        ("\uff15", None, 1),
        ("5 mg", None, 1),
        ('"1,000"', None, 1),
    ],
)
def test_numbers(tmp_path: Path, written: str, number: float | None, nulled: int) -> None:
    taken = taken_in(tmp_path, "cp949", lab_results=LABS.replace("4.0", written))
    assert taken.rows("lab_results", "value_number, values_nulled")[0] == (number, nulled)
    assert taken.counts("lab_results") == (2, 2, 0, 0, nulled)


@pytest.mark.parametrize(
    ("written", "days", "nulled"),
    [("30", 30, 0), ("30.0", 30, 0), ("30.5", None, 1), ("1e12", None, 1), ("none", None, 0)],
)
def test_whole_numbers(tmp_path: Path, written: str, days: int | None, nulled: int) -> None:
    orders = HOSPITAL["orders.csv"].replace(",30,", f",{written},")
    taken = taken_in(tmp_path, "utf-8", orders=orders)
    assert taken.rows("orders", "days, values_nulled") == [(days, nulled)]


# -- the delivery as a whole -----------------------------------------------------------------------


def test_only_what_changed_needs_no_patients(tmp_path: Path) -> None:
    files = {name: text.encode("cp949") for name, text in KOREAN.items() if name != "patients.csv"}
    folder = write_files(tmp_path / "extract", files)
    taken = take_in(config_of(folder, "cp949", kind="incremental"), tmp_path / "home")
    assert taken.counts("lab_results") == (2, 2, 0, 0, 0)


@encodings
def test_a_file_that_changes_after_the_pull_is_not_read(tmp_path: Path, encoding: str) -> None:
    files = {name: text.encode(encoding) for name, text in KOREAN.items()}
    folder = write_files(tmp_path / "extract", files)
    config, paths = config_of(folder, encoding), SitePaths.of("tiny", tmp_path / "home")
    (delivery,) = discover(config)
    manifest = pull(config, delivery, paths)

    def append(message: str) -> None:
        if message == "reading procedures":
            with (folder / "patients.csv").open("ab") as stream:
                stream.write("10000003,김,F,19800203,,,20150301\n".encode(encoding))

    with pytest.raises(DeliveryError, match=r"^a file changed or went away since delivery"):
        read(config, manifest, delivery, paths, progress=append)
    with pytest.raises(DeliveryError, match=r"^patients.csv changed or went away since delivery"):
        read(config, manifest, delivery, paths)
    assert not paths.raw.exists()
    assert [path.name for path in paths.reading.iterdir()] == [".lock"]
    assert take_in(config, tmp_path / "home").counts("patients") == (3, 3, 0, 0, 0)


def test_a_full_disk_while_it_is_decoded_loses_nothing(tmp_path: Path) -> None:
    line = "R{},10000001,E0001,X,20190102,,,양성,\n"
    many = LABS + "".join(line.format(f"1{n:06}") for n in range(3000))
    files = {f"{name}.gz": text.encode("cp949") for name, text in KOREAN.items()}
    files["lab_results.csv.gz"] = many.encode("cp949")
    folder = write_files(tmp_path / "extract", files)
    config, paths = config_of(folder, "cp949"), SitePaths.of("tiny", tmp_path / "home")
    (delivery,) = discover(config)
    manifest = pull(config, delivery, paths)
    assert len(gzip.compress(files["lab_results.csv.gz"])) < 50_000
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(DeliveryError, match="the disk is full or can't be written; free spa"):
            read(config, manifest, delivery, paths)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in paths.reading.iterdir()] == [".lock"]
    assert take_in(config, tmp_path / "home").counts("lab_results") == (3002, 3002, 0, 0, 0)


def test_the_copy_that_a_killed_process_left_goes_with_the_next_delivery(tmp_path: Path) -> None:
    """It holds names; the delivery that it was made of may never be read."""
    paths = SitePaths.of("tiny", tmp_path / "home")
    left = write_files(paths.reading / "0123456789abcdef" / "spill", {"0.csv": PATIENTS})
    taken_in(tmp_path, "cp949")
    assert not left.exists()
