"""What a delivery is, when it is from, and what a second one must say."""

import json
from datetime import date
from pathlib import Path

import pytest

from pumasi.config import SitePaths
from pumasi.errors import DeliveryError
from pumasi.extract import discover, pull, read
from pumasi.extract.manifest import load_manifest
from tests.extract.extracts import (
    CONDITIONS,
    HOSPITAL,
    OMOP,
    PERSONS,
    SYNTHEA,
    content_of,
    ndjson,
    patient,
    site_of,
    take_in,
    write_files,
)

STATEMENT = "as_of = 2024-06-30\nextracted_through = 2024-06-29\n"
OTHER = OMOP | {"condition_occurrence.csv": CONDITIONS.replace("2018-05-06", "2018-05-07")}


def test_a_delivery_states_its_dates_and_kind(tmp_path: Path) -> None:
    statement = STATEMENT + 'kind = "incremental"\n'
    write_files(tmp_path / "source" / "june", OMOP | {"delivery.toml": statement})
    manifest = take_in(site_of(tmp_path / "source", as_of=None), tmp_path / "home").manifest
    assert (manifest.as_of, manifest.extracted_through) == (date(2024, 6, 30), date(2024, 6, 29))
    assert (manifest.kind, manifest.dates_stated_by) == ("incremental", "delivery")


def test_what_a_delivery_states_goes_before_the_configuration(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "source", OMOP | {"delivery.toml": "as_of = 2020-02-02"})
    manifest = take_in(site_of(folder), tmp_path / "home").manifest
    assert (manifest.as_of, manifest.extracted_through) == (date(2020, 2, 2), date(2020, 2, 2))


def test_two_deliveries_are_two_folders(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write_files(source / "june", OMOP | {"delivery.toml": STATEMENT})
    write_files(source / "july", OTHER | {"delivery.toml": "as_of = 2024-07-31"})
    write_files(source / ".trash", OTHER)
    taken = take_in(site_of(source, as_of=None), tmp_path / "home")
    assert [(m.folder, m.as_of) for m in taken.manifests] == [
        ("july", date(2024, 7, 31)),
        ("june", date(2024, 6, 30)),
    ]
    assert len(taken.rows("condition_occurrence")) == 8
    stated = taken.rows("delivery", "delivery_id, 1 as file_no, 1 as line_no")
    assert {row[0] for row in stated} == {each.delivery_id for each in taken.manifests}


def test_the_same_content_twice_is_one_delivery(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write_files(source / "a", OMOP | {"delivery.toml": STATEMENT})
    again = {name.upper(): text for name, text in OMOP.items()}
    write_files(
        source / "b", again | {"delivery.toml": "as_of = 2024-07-31", "README.txt": "hello"}
    )
    taken = take_in(site_of(source, as_of=None), tmp_path / "home")
    assert taken.manifests[0] == taken.manifests[1]
    assert [report.already for report in taken.reports] == [False, True]
    assert len(list(taken.paths.raw.iterdir())) == len(list(taken.paths.deliveries.iterdir())) == 1


def test_reading_again_leaves_everything_alone(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "source", OMOP)
    first = take_in(site_of(folder), tmp_path / "home")
    raw = first.paths.raw / first.manifest.delivery_id
    before = {path: path.stat().st_mtime_ns for path in raw.iterdir()}
    second = take_in(site_of(folder), tmp_path / "home")
    assert second.report.already
    assert second.report.tables == {}
    assert {path: path.stat().st_mtime_ns for path in raw.iterdir()} == before


def test_a_second_delivery_without_as_of_is_refused(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "source", OMOP)
    first = take_in(site_of(folder), tmp_path / "home")
    content = first.content()
    write_files(folder, OTHER)
    with pytest.raises(DeliveryError) as raised:
        take_in(site_of(folder), tmp_path / "home")
    assert str(raised.value) == (
        "site tiny, delivery source: its content is new, but it has no `as_of`, and the "
        f"configuration's (2024-06-30) belongs to delivery {first.manifest.delivery_id}. Put "
        "delivery.toml with as_of and extracted_through beside its files; what was read before is "
        "intact"
    )
    assert [path.name for path in first.paths.raw.iterdir()] == [first.manifest.delivery_id]
    assert content_of(first.paths.raw / first.manifest.delivery_id) == content
    # The remedy in the message is one.
    write_files(folder, {"delivery.toml": "as_of = 2024-07-31\nextracted_through = 2024-07-30\n"})
    second = take_in(site_of(folder), tmp_path / "home")
    assert second.manifest.as_of == date(2024, 7, 31)
    assert len(list(first.paths.raw.iterdir())) == 2


def test_two_folders_without_as_of_are_one_too_many(tmp_path: Path) -> None:
    write_files(tmp_path / "source" / "a", OMOP)
    write_files(tmp_path / "source" / "b", OTHER)
    with pytest.raises(DeliveryError, match=r"^site tiny, delivery b: its content is new, but"):
        take_in(site_of(tmp_path / "source"), tmp_path / "home")


def test_a_delivery_that_was_refused_can_be_mended_in_its_place(tmp_path: Path) -> None:
    """The configuration's `as_of` isn't used up by a delivery of which nothing was taken in."""
    broken = OMOP | {"condition_occurrence.csv": CONDITIONS.replace("got better", '"got better')}
    folder = write_files(tmp_path / "source", broken)
    with pytest.raises(DeliveryError, match="are accounted for"):
        take_in(site_of(folder), tmp_path / "home")
    write_files(folder, OMOP)
    taken = take_in(site_of(folder), tmp_path / "home")
    assert taken.counts("condition_occurrence") == (4, 4, 0, 0, 0)


def test_nobody_states_a_date(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "source", OMOP)
    with pytest.raises(DeliveryError) as raised:
        take_in(site_of(folder, as_of=None), tmp_path / "home")
    assert str(raised.value) == (
        "site tiny, delivery source: nobody states its date; put `as_of = 2024-06-30` into "
        "delivery.toml beside its files, or `source.as_of` into network/tiny.toml"
    )


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("as_of = ", "source/delivery.toml is not TOML: "),
        (
            "asof = 2024-06-30",
            "source/delivery.toml: unknown key `asof`; it knows as_of, extracted_through, kind",
        ),
        (
            'as_of = "2024-06-30"',
            "source/delivery.toml: `as_of` is a str, wanted a date (dates without quotes: "
            "2024-06-30)",
        ),
        ("as_of = 2024-06-30T10:00:00", "source/delivery.toml: `as_of` is a datetime, wanted"),
        (
            'kind = "daily"',
            "source/delivery.toml: `kind` must be full or incremental",
        ),
        (
            "as_of = 2024-06-30\nextracted_through = 2024-07-01",
            "source/delivery.toml: `extracted_through` needs an `as_of` that is not before it: "
            "an extract can't cover days after it was made",
        ),
        ("extracted_through = 2024-07-01", "source/delivery.toml: `extracted_through` needs an"),
        ("bytes = 12", "source/delivery.toml: `bytes` is a int, wanted a dict"),
        (
            '[bytes]\n"person.csv" = "12"',
            "source/delivery.toml: `[bytes]` gives the size of each file, as ",
        ),
        ('[bytes]\n"person.csv" = true', "source/delivery.toml: `[bytes]` gives the size of each"),
        (b"as_of = \xff", "source/delivery.toml is not TOML: "),
    ],
)
def test_a_wrong_statement_says_what_is_wrong(
    tmp_path: Path, statement: str | bytes, message: str
) -> None:
    folder = write_files(tmp_path / "source", OMOP | {"delivery.toml": statement})
    with pytest.raises(DeliveryError) as raised:
        discover(site_of(folder))
    assert str(raised.value).startswith(message)


def test_the_identity_is_the_content_of_the_files_that_are_used(tmp_path: Path) -> None:
    def identity(name: str, files: dict[str, str | bytes]) -> str:
        folder = write_files(tmp_path / name, files)
        (delivery,) = discover(site_of(folder))
        return pull(
            site_of(folder), delivery, SitePaths.of("tiny", tmp_path / f"h{name}")
        ).delivery_id

    plain = identity("a", dict(OMOP))
    assert identity("b", OMOP | {"note_nlp.csv": "note_nlp_id\n1\n"}) == plain
    assert identity("c", {name.upper(): text for name, text in OMOP.items()}) == plain
    assert identity("d", OMOP | {"person.csv": PERSONS + "\n"}) != plain
    assert identity("e", dict(OTHER)) != plain


def test_the_manifest_is_written_before_anything_is_read(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "source", OMOP | {"note_nlp.csv": "note_nlp_id\n1\n2\n"})
    config, paths = site_of(folder), SitePaths.of("tiny", tmp_path / "home")
    (delivery,) = discover(config)
    said: list[str] = []
    manifest = pull(config, delivery, paths, said.append)
    path = paths.deliveries / f"{manifest.delivery_id}.json"
    assert load_manifest(path) == manifest
    assert not paths.raw.exists()
    files = {each["path"]: each for each in json.loads(path.read_text())["files"]}
    assert sorted(files) == sorted(OMOP)
    assert files["person.csv"]["lines"] == 4
    assert files["person.csv"]["bytes"] == len(PERSONS)
    assert files["person.csv"]["tables"] == ["person"]
    assert (manifest.unused_files, manifest.ignored) == (1, {"note_nlp": 2})
    assert f"person.csv: {len(PERSONS)} bytes" in said


def test_a_changed_folder_has_another_key_and_a_moved_one_another_name(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "source", OMOP)
    (delivery,) = discover(site_of(folder))
    key = delivery.key
    assert key.startswith("source-")
    assert delivery.key == key
    (folder / "person.csv").write_text(PERSONS + "\n")
    assert delivery.key != key


def test_a_folder_of_part_folders_is_one_delivery(tmp_path: Path) -> None:
    files = {f"{name.removesuffix('.csv')}/part-1.csv": text for name, text in OMOP.items()}
    folder = write_files(tmp_path / "source", files)
    assert [each.name for each in discover(site_of(folder))] == ["source"]
    assert take_in(site_of(folder), tmp_path / "home").counts("person") == (3, 3, 0, 0, 0)


@pytest.mark.parametrize(
    ("form", "files"),
    [
        ("omop_cdm", OMOP),
        ("fhir_r4", {"Patient.ndjson": ndjson(patient())}),
        ("synthea_csv", SYNTHEA),
        ("hospital_csv", HOSPITAL),
    ],
)
def test_hidden_files_and_folders_are_litter(
    tmp_path: Path, form: str, files: dict[str, str]
) -> None:
    litter = {f".{name}": "litter" for name in files} | {"__MACOSX/._x.csv": "litter"}
    folder = write_files(tmp_path / "source", files | litter)
    (delivery,) = discover(site_of(folder, form))
    manifest = pull(site_of(folder, form), delivery, SitePaths.of("tiny", tmp_path / "home"))
    unused = {"data_dictionary.csv"} & set(files)
    assert sorted(each.path for each in manifest.files) == sorted(set(files) - unused)
    assert manifest.unused_files == len(unused)


def test_read_reports_what_it_does(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "source", OMOP)
    config, paths = site_of(folder), SitePaths.of("tiny", tmp_path / "home")
    (delivery,) = discover(config)
    said: list[str] = []
    read(config, pull(config, delivery, paths), delivery, paths, said.append)
    assert said[:2] == ["reading condition_occurrence", "reading person"], "the largest first"


# -- which folder is a delivery --------------------------------------------------------------------


def names(source: Path, form: str = "omop_cdm") -> list[str]:
    return [each.name for each in discover(site_of(source, form, None))]


@pytest.mark.parametrize("beside", ["manifest.json", "README.txt", "notes.csv", "notes/a.docx"])
def test_what_lies_beside_deliveries_merges_none_of_them(tmp_path: Path, beside: str) -> None:
    source = write_files(tmp_path / "source", {beside: '{"output": [{"type": "Patient"}]}'})
    for month in ("june", "july"):
        files = {"Patient.ndjson": ndjson(patient(month)), "delivery.toml": "as_of = 2024-06-30"}
        write_files(source / month, files)
    assert names(source, "fhir_r4") == ["july", "june"]
    (source / "june" / "delivery.toml").unlink()
    (source / "july" / "delivery.toml").unlink()
    assert names(source, "fhir_r4") == ["july", "june"]


def test_data_beside_folders_that_state_something_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write_files(source / "june", OMOP | {"delivery.toml": STATEMENT})
    write_files(source, {"person.csv": PERSONS})
    with pytest.raises(DeliveryError) as raised:
        discover(site_of(source))
    assert str(raised.value) == (
        f"site tiny: 1 files of format omop_cdm lie in the source folder {source}, beside folders "
        "with a delivery.toml: they belong to no delivery. Move them into one, or out of the "
        "source folder"
    )
    (source / "person.csv").unlink()
    write_files(source / "2023", OMOP)
    write_files(source / "2023" / "may", OMOP | {"delivery.toml": STATEMENT})
    with pytest.raises(DeliveryError, match=r"3 files of format omop_cdm lie in the folder 2023, "):
        discover(site_of(source))


def test_deliveries_in_folders_of_years_are_found(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for place in ("2023/june", "2024/june"):
        files = {f"person/{n}.csv": PERSONS for n in (1, 2)} | {"delivery.toml": STATEMENT}
        write_files(source / place, files)
    write_files(source / "old", OMOP)
    assert names(source) == ["2023-june", "2024-june", "old"]
    write_files(source / "2024", {"delivery.toml": STATEMENT})
    with pytest.raises(
        DeliveryError, match=r"^site tiny: the folder 2024 has a delivery.toml, and"
    ):
        discover(site_of(source))


def test_links_to_folders_are_followed(tmp_path: Path) -> None:
    elsewhere = write_files(tmp_path / "nas", OMOP | {"delivery.toml": STATEMENT})
    source = tmp_path / "source"
    source.mkdir()
    (source / "june").symlink_to(elsewhere)
    (elsewhere / "around").symlink_to(elsewhere)
    (delivery,) = discover(site_of(source))
    key = delivery.key
    taken = take_in(site_of(source), tmp_path / "home")
    assert taken.counts("person") == (3, 3, 0, 0, 0)
    write_files(elsewhere, {"person.csv": PERSONS + "\n"})
    assert delivery.key != key


def test_a_folder_that_is_no_delivery_is_named(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write_files(source / "june", OMOP | {"delivery.toml": STATEMENT})
    write_files(source / "notes", {"notes.csv": "a\n1\n"})
    with pytest.raises(DeliveryError, match=r"^site tiny, delivery notes: none of 1 files is omop"):
        take_in(site_of(source), tmp_path / "home")


def test_files_of_the_size_that_a_delivery_states_are_taken_in(tmp_path: Path) -> None:
    sizes = "".join(f'"{name}" = {len(text.encode())}\n' for name, text in OMOP.items())
    folder = write_files(tmp_path / "source", OMOP | {"delivery.toml": f"[bytes]\n{sizes}"})
    assert take_in(site_of(folder), tmp_path / "home").reports


@pytest.mark.parametrize(
    ("name", "found"),
    [("condition_occurrence.csv", "{} bytes, as `[bytes]`"), ("drug_exposure.csv", "is not there")],
)
def test_a_file_that_was_cut_at_the_end_of_a_line_or_is_not_there_is_refused(
    tmp_path: Path, name: str, found: str
) -> None:
    size = len(CONDITIONS.encode())
    cut = "".join(CONDITIONS.splitlines(keepends=True)[:-1])
    statement = f'[bytes]\n"{name}" = {size}\n'
    files = OMOP | {"condition_occurrence.csv": cut, "delivery.toml": statement}
    folder = write_files(tmp_path / "source", files)
    with pytest.raises(DeliveryError) as raised:
        take_in(site_of(folder), tmp_path / "home")
    message = str(raised.value)
    assert message.startswith(f"delivery source: {name} should have {size} bytes, as `[bytes]` in ")
    assert found.format(size) in message
    assert message.endswith("nothing of this delivery was taken in. Transfer the file again")


def test_a_file_that_may_be_called_by_a_patient_is_not_named(tmp_path: Path) -> None:
    folder = write_files(
        tmp_path / "source",
        {"Kim.ndjson": ndjson(patient()), "delivery.toml": '[bytes]\n"Kim.ndjson" = 7\n'},
    )
    with pytest.raises(
        DeliveryError, match="delivery source: a file should have 7 bytes"
    ) as raised:
        take_in(site_of(folder, "fhir_r4"), tmp_path / "home")
    assert "Kim" not in str(raised.value)
