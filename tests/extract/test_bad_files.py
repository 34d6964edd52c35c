"""A delivery that would lose data is refused whole: the message says cause, place and remedy."""

import gzip
import json
import zipfile
from datetime import date
from pathlib import Path

import pytest

from pumasi.config import SitePaths
from pumasi.errors import DeliveryError
from pumasi.extract import discover, pull, read
from pumasi.extract.part import PartReader
from tests.extract.extracts import (
    CONDITIONS,
    HOSPITAL,
    OMOP,
    PERIODS,
    PERSONS,
    SYNTHEA,
    content_of,
    encounter,
    ndjson,
    patient,
    site_of,
    take_in,
    take_in_files,
    write_files,
)

MANY = PERSONS + "".join(f"{n},8507,1950,1,0,0,M,white,nonhispanic,x\n" for n in range(9000))


def refusal(tmp_path: Path, files: dict[str, str | bytes], form: str = "omop_cdm") -> str:
    """The message that refuses these files, after proof that nothing of them was taken in.

    A good delivery has been read before; it must be as it was.
    """
    home = tmp_path / "home"
    before = take_in(site_of(write_files(tmp_path / "good", OMOP)), home)
    content = before.content()
    folder = write_files(tmp_path / "bad", files)
    with pytest.raises(DeliveryError) as raised:
        take_in(site_of(folder, form, date(2024, 7, 31)), home)
    raw = [path.name for path in before.paths.raw.iterdir()]
    assert raw == [before.manifest.delivery_id]
    assert content_of(before.paths.raw / before.manifest.delivery_id) == content
    assert [path.name for path in before.paths.reading.iterdir()] == [".lock"]
    return str(raised.value)


# -- files that are not whole ----------------------------------------------------------------------


def test_a_truncated_gzip(tmp_path: Path) -> None:
    whole = gzip.compress(MANY.encode(), compresslevel=0)
    broken = whole[:100_000]
    message = refusal(
        tmp_path,
        {"person.CSV.GZ": broken, "observation_period.csv": PERIODS},
    )
    assert message.startswith("person.CSV.GZ is a truncated gzip after 0 decompressed bytes")
    assert message.endswith(
        "; ask the source for the file again; nothing of this delivery was taken in"
    )


def test_a_truncated_gzip_says_how_far_it_goes(tmp_path: Path) -> None:
    """Whole blocks are read before the end is missed; the place is near, not exact."""
    text = MANY + "7,8507,1950,1,0,0,M,white,nonhispanic,x\n" * 400_000
    broken = gzip.compress(text.encode(), compresslevel=1)[:-2000]
    folder = write_files(tmp_path / "bad", {"person.csv": PERSONS})
    (folder / "observation_period.csv.gz").write_bytes(broken)
    with pytest.raises(DeliveryError) as raised:
        take_in(site_of(folder), tmp_path)
    message = str(raised.value)
    assert message.startswith("observation_period.csv.gz is a truncated gzip after ")
    line = int(message.split("(about line ")[1].split(")")[0])
    assert 200_000 < line < 409_004


def test_a_gzip_with_a_flipped_byte(tmp_path: Path) -> None:
    broken = bytearray(gzip.compress(MANY.encode()))
    broken[len(broken) // 2] ^= 0xFF
    folder = write_files(tmp_path / "bad", OMOP)
    (folder / "person.csv").unlink()
    (folder / "person.csv.gz").write_bytes(bytes(broken))
    with pytest.raises(DeliveryError, match=r"^person.csv.gz is a (broken|truncated) gzip after"):
        take_in(site_of(folder), tmp_path)


def test_a_truncated_zip(tmp_path: Path) -> None:
    path = tmp_path / "cdm.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in OMOP.items():
            archive.writestr(name, text)
    message = refusal(tmp_path, {"cdm.zip": path.read_bytes()[:-30]})
    assert message == (
        "cdm.zip is a broken or truncated zip; ask the source for the file again; "
        "nothing of this delivery was taken in"
    )


def test_an_encrypted_zip(tmp_path: Path) -> None:
    path = tmp_path / "cdm.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in OMOP.items():
            archive.writestr(name, text)
    marked = bytearray(path.read_bytes())
    for at in range(len(marked)):  # the flag in every header that says: encrypted
        if marked[at : at + 4] == b"PK\x03\x04":
            marked[at + 6] |= 1
        if marked[at : at + 4] == b"PK\x01\x02":
            marked[at + 8] |= 1
    message = refusal(tmp_path, {"cdm.zip": bytes(marked)})
    assert message.startswith("cdm.zip is a zip that is encrypted, or packed in a way that")


def test_a_truncated_gzip_of_a_bundle_is_told_without_its_name(tmp_path: Path) -> None:
    broken = gzip.compress(ndjson(patient()).encode())[:-10]
    folder = write_files(tmp_path / "bad", {"Patient.ndjson": ndjson(patient())})
    (folder / "Ada_Byron.json.gz").write_bytes(broken)
    with pytest.raises(DeliveryError) as raised:
        take_in(site_of(folder, "fhir_r4"), tmp_path)
    assert str(raised.value) == (
        f"a bundle of {len(broken)} bytes is a broken or truncated gzip; ask the source for the "
        "files again; nothing of this delivery was taken in"
    )


@pytest.mark.parametrize("name", ["person.parquet", "all.duckdb"])
def test_a_file_that_is_not_what_its_name_says(tmp_path: Path, name: str) -> None:
    message = refusal(tmp_path, OMOP | {name: "nothing of the kind"})
    assert message in (
        "person.parquet is not a parquet file; export it again",
        "all.duckdb can't be opened as a DuckDB file; is it one, and does nobody write to it?",
    )


# -- lines that don't add up -----------------------------------------------------------------------


def test_an_unterminated_quote_that_swallows_the_rest(tmp_path: Path) -> None:
    lines = CONDITIONS.splitlines(keepends=True)
    lines[2] = lines[2].replace("got better", '"got better')
    message = refusal(tmp_path, OMOP | {"condition_occurrence.csv": "".join(lines)})
    assert message.startswith(
        "condition_occurrence.csv has 5 lines, but 3 are accounted for. "
        "Look at line 3: is a quotation mark opened there and not closed? Nothing of delivery "
    )
    assert message.endswith(" was taken in: mend the line or export the file again")
    assert "better" not in message


def test_an_unterminated_quote_that_ends_at_the_next_one(tmp_path: Path) -> None:
    lines = CONDITIONS.splitlines(keepends=True)
    lines[1] = lines[1].replace("32020,,", '32020,"stopped,')
    lines[2] = lines[2].replace("got better", '"got better"')
    message = refusal(tmp_path, OMOP | {"condition_occurrence.csv": "".join(lines)})
    assert "condition_occurrence.csv has 5 lines, but 4 are accounted for." in message
    assert "Look at line 2:" in message


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (",,y", "it has more values than the header; does a text have the delimiter in it, "),
        (',"",y', "is a quotation mark opened there and not closed?"),
    ],
)
def test_lines_with_a_delimiter_too_many_are_said_to_be_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: str, said: str
) -> None:
    """Of very many such lines DuckDB leaves some out without a word, at random: so here, too."""
    lines = PERSONS.splitlines(keepends=True)
    lines[2] = lines[2].replace("\n", f"{more}\n")
    folder = write_files(tmp_path / "bad", OMOP | {"person.csv": "".join(lines)})
    counted = PartReader._rows
    monkeypatch.setattr(
        PartReader,
        "_rows",
        lambda self, part: counted(self, part) - part.name.startswith("person."),
    )
    with pytest.raises(DeliveryError) as raised:
        take_in(site_of(folder), tmp_path / "home")
    message = str(raised.value)
    assert message.startswith(f"person.csv has {len(lines)} lines, but 3 are accounted for. Look ")
    assert f" at line 3: {said}" in message


def test_a_swallowed_row_that_looks_well_formed_is_refused_too(tmp_path: Path) -> None:
    """The quotation mark of one row meets that of the next, and the number of columns is right."""
    lines = PERIODS.splitlines(keepends=True)
    text = (
        lines[0]
        + '1,101,2010-01-01,2020-12-31,"44814724\n'
        + '2,102,2011-01-01,2021-12-31,44814724"\n'
        + lines[3]
    )
    message = refusal(tmp_path, OMOP | {"observation_period.csv": text})
    assert "observation_period.csv has 4 lines, but 3 are accounted for." in message
    assert "Look at line 2:" in message


def test_the_line_of_a_swallowed_row_counts_the_lines_inside_texts(tmp_path: Path) -> None:
    lines = CONDITIONS.splitlines(keepends=True)
    lines[2] = lines[2].replace("got better", '"got\n\nmuch\nbetter"')
    lines[3] = lines[3].replace("32020,,", '32020,"')
    message = refusal(tmp_path, OMOP | {"condition_occurrence.csv": "".join(lines)})
    assert "Look at line 7:" in message


@pytest.mark.parametrize("lone", ["got\rbetter", "got better"])
def test_mixed_line_ends_are_refused_with_the_file(tmp_path: Path, lone: str) -> None:
    header, *rows = CONDITIONS.splitlines(keepends=True)
    first = header.replace("\n", "\r\n") if "\r" not in lone else header
    text = first + "".join(rows).replace("got better", lone)
    message = refusal(tmp_path, OMOP | {"condition_occurrence.csv": text})
    assert message == (
        "condition_occurrence.csv: its lines can't be told apart: two kinds of line end are mixed, "
        "or a value has a lone carriage return. Nothing of it was taken in; export it again"
    )


def test_line_ends_of_an_old_mac(tmp_path: Path) -> None:
    message = refusal(tmp_path, OMOP | {"person.csv": PERSONS.replace("\n", "\r")})
    assert message == (
        "person.csv, line 1: lines end with a lone carriage return; export it with line feeds"
    )


def test_a_lone_carriage_return_in_ndjson(tmp_path: Path) -> None:
    text = ndjson(patient("p1"), patient("p2")).replace('"gender"', '\r"gender"', 1)
    message = refusal(tmp_path, {"Patient.ndjson": text}, "fhir_r4")
    assert "Patient.ndjson has 2 lines, but 3 are accounted for." in message


# -- columns ---------------------------------------------------------------------------------------


def test_a_missing_column(tmp_path: Path) -> None:
    text = PERSONS.replace("year_of_birth,", "").replace(",1950", "")
    assert refusal(tmp_path, OMOP | {"person.csv": text}) == (
        "person.csv, line 1: column `year_of_birth` of table person is missing; "
        "nothing of this delivery was taken in. Ask the source for it"
    )


def test_a_renamed_column_is_suggested(tmp_path: Path) -> None:
    text = CONDITIONS.replace("condition_start_date", "cond_start_date")
    assert refusal(tmp_path, OMOP | {"condition_occurrence.csv": text}) == (
        "condition_occurrence.csv, line 1: column `condition_start_date` of table "
        "condition_occurrence is missing (renamed to `cond_start_date`?); "
        "nothing of this delivery was taken in. Ask the source for it"
    )


def test_a_column_that_is_there_twice(tmp_path: Path) -> None:
    """Which of the two is the person is not guessed."""
    text = PERSONS.replace("person_source_value", "PERSON_ID")
    assert refusal(tmp_path, OMOP | {"person.csv": text}) == (
        "person.csv, line 1: column `person_id` is there twice; nothing of this delivery was taken "
        "in. Ask the source which of them is meant"
    )


def test_a_table_without_its_header(tmp_path: Path) -> None:
    """Its first row would be taken for one, and must not be shown."""
    text = PERSONS.split("\n", 1)[1]
    assert refusal(tmp_path, OMOP | {"person.csv": text}) == (
        "person.csv, line 1: no column of table person is there; is it the header? Nothing of this "
        "delivery was taken in. Ask the source for a file with its header"
    )


def test_an_extra_column_is_accepted_and_counted(tmp_path: Path) -> None:
    lines = PERIODS.splitlines()
    text = "\n".join([lines[0] + ",ward", *(line + ",Ward 9" for line in lines[1:])]) + "\n"
    taken = take_in_files(tmp_path, OMOP | {"observation_period.csv": text})
    assert taken.counts("observation_period") == (3, 3, 0, 0, 0)
    assert "observation_period.csv: 1 columns do not enter" in taken.manifest.findings
    period = next(f for f in taken.manifest.files if f.path == "observation_period.csv")
    assert period.extra_columns == ("ward",)


def test_a_missing_optional_column_is_null_and_said(tmp_path: Path) -> None:
    text = PERIODS.replace(",period_type_concept_id", "").replace(",44814724", "")
    taken = take_in_files(tmp_path, OMOP | {"observation_period.csv": text})
    assert taken.rows("observation_period", "period_type_concept_id") == [(None,)] * 3
    assert "observation_period.csv: without period_type_concept_id" in taken.manifest.findings


def test_columns_in_another_order_are_read_by_name(tmp_path: Path) -> None:
    rows = [line.split(",") for line in PERIODS.splitlines()]
    turned = "\n".join(",".join(reversed(row)) for row in rows) + "\n"
    taken = take_in_files(tmp_path / "a", OMOP | {"observation_period.csv": turned})
    assert taken.content() == take_in_files(tmp_path / "b", OMOP).content()


def test_a_header_that_is_not_utf_8(tmp_path: Path) -> None:
    message = refusal(tmp_path, OMOP | {"person.csv": PERSONS.encode("utf-16")})
    assert message == "person.csv, line 1: the header is not UTF-8; export as UTF-8"


# -- the delivery as a whole -----------------------------------------------------------------------


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError) as raised:
        discover(site_of(tmp_path / "nowhere"))
    assert str(raised.value) == (
        f"site tiny: the source folder {tmp_path}/nowhere does not exist; "
        "mend `source.url` in network/tiny.toml"
    )


@pytest.mark.parametrize(
    ("files", "form"),
    [
        (OMOP, "fhir_r4"),
        ({"Patient.ndjson": ndjson(patient())}, "synthea_csv"),
        ({"Patient.ndjson": ndjson(patient())}, "hospital_csv"),
    ],
)
def test_a_wrong_format(tmp_path: Path, files: dict[str, str], form: str) -> None:
    folder = write_files(tmp_path / "extract", files)
    with pytest.raises(DeliveryError) as raised:
        discover(site_of(folder, form))
    assert str(raised.value) == (
        f"site tiny: no file of format {form} in {folder} ({len(files)} other files); "
        "is `format` right in network/tiny.toml?"
    )


def test_a_wrong_format_with_files_of_the_right_kind(tmp_path: Path) -> None:
    """Synthea and OMOP both come as CSV; the one's `observations` is not the other's table."""
    message = refusal(tmp_path, {"delivery/patients.csv": SYNTHEA["patients.csv"]})
    assert message == (
        "site tiny, delivery delivery: none of 1 files is omop_cdm (person, observation_period is "
        "missing); is `format` right in network/tiny.toml?"
    )


@pytest.mark.parametrize(("files", "form"), [(SYNTHEA, "hospital_csv"), (HOSPITAL, "synthea_csv")])
def test_a_wrong_format_whose_files_are_called_alike(
    tmp_path: Path, files: dict[str, str], form: str
) -> None:
    """Both have patients and encounters, with other columns."""
    said = refusal(tmp_path, {"delivery/patients.csv": files["patients.csv"]}, form)
    assert said.startswith("patients.csv, line 1: ")
    assert "of table patients is" in said
    assert "nothing of this delivery was taken in" in said.lower()


def test_an_empty_folder(tmp_path: Path) -> None:
    folder = tmp_path / "extract"
    folder.mkdir()
    with pytest.raises(DeliveryError, match=r"no file of format omop_cdm in .* \(0 other files\)"):
        discover(site_of(folder))


def test_an_extract_without_persons(tmp_path: Path) -> None:
    message = refusal(tmp_path, {"observation_period.csv": PERIODS})
    assert message == (
        "site tiny, delivery bad: the extract has no rows of person: an empty extract is refused, "
        "because in a full delivery it would delete everybody. Ask the source for them; if it "
        'holds only what changed, put `kind = "incremental"` into delivery.toml beside its files'
    )


def test_an_extract_whose_tables_have_only_headers(tmp_path: Path) -> None:
    headers = {name: text.split("\n", 1)[0] + "\n" for name, text in OMOP.items()}
    message = refusal(tmp_path, headers)
    assert message.endswith(
        " (bad): no row could be read; nothing of it was taken in. Mend that, or ask the source "
        "whether its export is whole"
    )


def test_an_extract_of_which_no_person_can_be_read(tmp_path: Path) -> None:
    text = PERSONS.replace(",1950,", ",old,").replace(",1961,", ",,").replace(",1972,", ",x,")
    message = refusal(tmp_path, OMOP | {"person.csv": text})
    assert message.endswith(
        " (bad): no row of person could be read (the first: line 2 of person.csv, year_of_birth is "
        "not an integer); an empty extract is refused, because in a full delivery it would delete "
        "everybody. Ask the source for it"
    )


def test_json_over_several_lines_is_no_ndjson(tmp_path: Path) -> None:
    text = json.dumps(patient(), indent=1) + "\n"
    message = refusal(tmp_path, {"Patient.ndjson": text}, "fhir_r4")
    assert "(the first: line 1 of Patient.ndjson, malformed JSON)" in message


def test_files_that_are_empty(tmp_path: Path) -> None:
    message = refusal(tmp_path, OMOP | {"person.csv": ""})
    assert message == "person.csv, line 1: the file has no header line; export it again"


def test_an_empty_ndjson(tmp_path: Path) -> None:
    message = refusal(
        tmp_path, {"Patient.ndjson": "", "Encounter.ndjson": ndjson(encounter())}, "fhir_r4"
    )
    assert message.startswith(
        "site tiny, delivery bad: the extract has no rows of Patient: an empty extract"
    )


def test_a_file_that_changes_between_pull_and_read(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "extract", OMOP)
    config, paths = site_of(folder), SitePaths.of("tiny", tmp_path / "home")
    (delivery,) = discover(config)
    manifest = pull(config, delivery, paths)
    (folder / "person.csv").write_text(PERSONS + "104,8507,1950,1,0,0,M,white,nonhispanic,x\n")
    with pytest.raises(DeliveryError) as raised:
        read(config, manifest, delivery, paths)
    assert str(raised.value) == (
        f"person.csv changed or went away since delivery {manifest.delivery_id} was pulled; "
        "nothing of it was taken in. Pull again when the source has finished writing"
    )
    assert not paths.raw.exists()
    # Nothing was read of the delivery that never came whole: the new content takes its place.
    again = take_in(config, tmp_path / "home")
    assert again.counts("person") == (4, 4, 0, 0, 0)


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "extract", OMOP)
    config, paths = site_of(folder), SitePaths.of("tiny", tmp_path / "home")
    (delivery,) = discover(config)
    manifest = pull(config, delivery, paths)

    def append(message: str) -> None:
        if message == "reading death":  # after condition_occurrence
            with (folder / "condition_occurrence.csv").open("a") as stream:
                stream.write("15,103,255573,2018-05-06,,32020,,,13645005\n")

    with pytest.raises(DeliveryError, match=r"^a file changed or went away since delivery"):
        read(config, manifest, delivery, paths, progress=append)
    assert not paths.raw.exists()


def test_a_file_that_goes_away(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "extract", OMOP)
    config, paths = site_of(folder), SitePaths.of("tiny", tmp_path / "home")
    (delivery,) = discover(config)
    manifest = pull(config, delivery, paths)
    (folder / "condition_occurrence.csv").unlink()
    with pytest.raises(DeliveryError, match=r"^condition_occurrence.csv changed or went away"):
        read(config, manifest, delivery, paths)


def test_a_file_renamed_between_pull_and_read_is_the_same_delivery(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "extract", OMOP)
    config, paths = site_of(folder), SitePaths.of("tiny", tmp_path / "home")
    (delivery,) = discover(config)
    pull(config, delivery, paths)
    (folder / "person.csv").rename(folder / "PERSON.CSV")
    assert take_in(config, tmp_path / "home").counts("person") == (3, 3, 0, 0, 0)
