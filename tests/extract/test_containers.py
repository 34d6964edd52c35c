"""The same rows in another container or under other names are the same content."""

import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import duckdb
import fsspec
import pytest

from pumasi.errors import DeliveryError
from tests.extract.extracts import (
    CONDITIONS,
    OMOP,
    PERIODS,
    PERSONS,
    bundle,
    condition,
    encounter,
    ndjson,
    patient,
    site_of,
    take_in,
    take_in_files,
    write_files,
)


def zipped(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def as_table_files(tmp_path: Path, suffix: str) -> dict[str, bytes]:
    """The tiny OMOP extract as one parquet file per table, or as one DuckDB file."""
    source = write_files(tmp_path / "csv", OMOP)
    target = tmp_path / "made"
    target.mkdir()
    with duckdb.connect(str(target / "all.duckdb")) as connection:
        for path in sorted(source.iterdir()):
            connection.execute(f"create table {path.stem} as from read_csv('{path}')")
            connection.execute(f"copy {path.stem} to '{target}/{path.stem}.parquet'")
    return {path.name: path.read_bytes() for path in target.glob(f"*.{suffix}")}


def test_every_container_gives_the_same_content(tmp_path: Path) -> None:
    plain = take_in_files(tmp_path / "plain", OMOP)
    assert plain.counts("person") == (3, 3, 0, 0, 0)
    assert plain.counts("condition_occurrence") == (4, 4, 0, 0, 0)
    expected = plain.content()
    upper = {
        name.upper() + ".GZ": "\n".join([text.split("\n", 1)[0].upper(), text.split("\n", 1)[1]])
        for name, text in OMOP.items()
    }
    packed = {name: gzip.compress(text.encode()) for name, text in upper.items()}
    litter = {f"__MACOSX/._{name}": "litter" for name in OMOP}
    in_zip = zipped({f"cdm/{name}": text for name, text in OMOP.items()} | litter)
    for name, files in {
        "gzip": {f"{name}.gz": text for name, text in OMOP.items()},
        "upper": packed,
        "crlf": {name: text.replace("\n", "\r\n") for name, text in OMOP.items()},
        "bom": {name: "\ufeff" + text for name, text in OMOP.items()},
        "no_last_newline": {name: text.rstrip("\n") for name, text in OMOP.items()},
        "tabs": {name: text.replace(",", "\t") for name, text in OMOP.items()},
        "semicolons": {name: text.replace(",", ";") for name, text in OMOP.items()},
        "zip": {"cdm.zip": in_zip},
        "parquet": as_table_files(tmp_path / "p", "parquet"),
        "duckdb": as_table_files(tmp_path / "d", "duckdb"),
        "blank_lines": {name: text.replace("\n", "\n\n") for name, text in OMOP.items()},
    }.items():
        taken = take_in_files(tmp_path / name, files)
        assert taken.content() == expected, name
        assert not (taken.paths.reading / "landing").exists()


def test_part_files_and_folders_of_parts_are_one_table(tmp_path: Path) -> None:
    header, *rows = CONDITIONS.splitlines(keepends=True)
    parts = {
        "condition_occurrence_0001.csv": header + rows[0],
        "condition_occurrence_2.csv.gz": header + rows[1],
        "condition_occurrence/part-a.csv": header + "".join(rows[2:]),
    }
    taken = take_in_files(
        tmp_path / "parts", {"person.csv": PERSONS, "observation_period.csv": PERIODS} | parts
    )
    assert taken.content() == take_in_files(tmp_path / "whole", OMOP).content()
    places = taken.rows("condition_occurrence", "file_no, line_no")
    named = [(taken.manifest.files[number].path, line) for number, line in places]
    assert sorted(named) == [
        ("condition_occurrence/part-a.csv", 2),
        ("condition_occurrence/part-a.csv", 3),
        ("condition_occurrence_0001.csv", 2),
        ("condition_occurrence_2.csv.gz", 2),
    ]


def test_a_file_that_is_nearly_called_as_a_table_is_found(tmp_path: Path) -> None:
    """It is not used, so its rows are missed: the steward is told."""
    taken = take_in_files(tmp_path, OMOP | {"condition_occurrence (2).csv": CONDITIONS})
    assert taken.manifest.findings[-1] == (
        "condition_occurrence (2).csv: not used; if it is part of condition_occurrence, "
        "call it condition_occurrence_1, _2, …"
    )
    assert taken.counts("condition_occurrence (2)") == (4, 0, 0, 4, 0)


def test_a_source_on_another_machine_is_read_and_leaves_nothing_behind(tmp_path: Path) -> None:
    remote = fsspec.filesystem("memory")
    remote.pipe({f"/hospital/{name}": text.encode() for name, text in OMOP.items()})
    try:
        taken = take_in(site_of("memory://hospital"), tmp_path)
    finally:
        remote.rm("/hospital", recursive=True)
    assert taken.counts("condition_occurrence") == (4, 4, 0, 0, 0)
    assert [path.name for path in taken.paths.reading.iterdir()] == [".lock"]


def test_paths_with_quotation_marks_and_brackets_are_only_paths(tmp_path: Path) -> None:
    folder = write_files(tmp_path / 'it\'s [one] * of "many"?', OMOP)
    taken = take_in(site_of(folder), tmp_path / "o'home")
    assert taken.counts("person") == (3, 3, 0, 0, 0)


def test_a_database_with_two_schemas_that_hold_persons_is_refused(tmp_path: Path) -> None:
    files = as_table_files(tmp_path, "duckdb")
    folder = write_files(tmp_path / "extract", files)
    with duckdb.connect(str(folder / "all.duckdb")) as connection:
        connection.execute("create schema old; create table old.person as from person")
    with pytest.raises(DeliveryError) as raised:
        take_in(site_of(folder), tmp_path / "home")
    assert str(raised.value) == (
        "all.duckdb has person in several schemas; nothing of this delivery was taken in. "
        "Export the one that is meant"
    )


def test_a_database_in_a_schema_of_its_own_is_found_views_included(tmp_path: Path) -> None:
    folder = tmp_path / "extract"
    folder.mkdir()
    source = write_files(tmp_path / "csv", OMOP)
    with duckdb.connect(str(folder / "all.duckdb")) as connection:
        connection.execute("create schema cdm")
        for path in source.iterdir():
            connection.execute(f"create table cdm.t_{path.stem} as from read_csv('{path}')")
            connection.execute(f"create view cdm.{path.stem} as from cdm.t_{path.stem}")
    taken = take_in(site_of(folder), tmp_path / "home")
    assert taken.content() == take_in_files(tmp_path / "plain", OMOP).content()


# -- FHIR ------------------------------------------------------------------------------------------

RESOURCES: list[dict[str, Any]] = [
    patient("p1"),
    encounter("e1"),
    condition("c1"),
    patient("p2", birthDate="1990-04-05"),
    encounter("e2", "Patient/p2"),
    condition("c2", "Patient/p2"),
    {"resourceType": "Goal", "id": "g1"},
]


def test_a_folder_of_bundles_equals_the_same_resources_as_ndjson(tmp_path: Path) -> None:
    lines = take_in_files(tmp_path / "lines", {"all.ndjson": ndjson(*RESOURCES)}, "fhir_r4")
    bundles = {
        "Ada_Byron.json": bundle(*RESOURCES[:3]),
        "Bob_Stone.json": bundle(*RESOURCES[3:]),
    }
    assert lines.counts("patient") == (2, 2, 0, 0, 0)
    for name, files in {
        "bundles": bundles,
        "bom": {name: "\ufeff" + text for name, text in bundles.items()},
        "gzip": {f"{name}.gz": text for name, text in bundles.items()},
        "zip": {"all.zip": zipped(bundles)},
        "single": {f"{each['id']}.json": json.dumps(each) for each in RESOURCES},
    }.items():
        taken = take_in_files(tmp_path / name, files, "fhir_r4")
        assert taken.content() == lines.content(), name
        # A file whose only resource is of a kind that we don't use is ignored whole.
        assert taken.counts("Goal") == lines.counts("Goal") == (1, 0, 0, 1, 0), name


def test_file_names_of_bundles_appear_nowhere(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []
    folder = write_files(
        tmp_path / "extract",
        {
            "Ada_Byron_1.json": bundle(*RESOURCES[:3]),
            "Ada_Byron_2.json.gz": bundle(*RESOURCES[3:6]),
            "Ada_Byron_3.json": bundle(RESOURCES[6]),
            "Ada_Byron_4.json": '{"resourceType": "Patient", "id": "broken',
            "Ada_Byron_5.json": "{",
        },
    )
    taken = take_in(site_of(folder, "fhir_r4"), tmp_path / "home")
    said += [str(report) for report in taken.reports] + list(capfd.readouterr())
    for path in taken.paths.root.rglob("*"):
        said.append(str(path))
        if path.suffix == ".parquet":
            with duckdb.connect() as connection:
                rows = connection.execute("from read_parquet($1)", [str(path)]).fetchall()
                said.append(str(rows))
        elif path.is_file():
            said.append(path.read_bytes().decode(errors="replace"))
    assert "byron" not in "\n".join(said).lower()


def test_two_bundles_with_the_same_content_are_two_files(tmp_path: Path) -> None:
    taken = take_in_files(
        tmp_path, {"a.json": bundle(patient()), "b.json": bundle(patient())}, "fhir_r4"
    )
    assert taken.rows("patient", "file_no, line_no") == [(0, 1), (1, 1)]


def test_a_mixed_file_is_sorted_by_type_and_the_unused_are_counted(tmp_path: Path) -> None:
    goals = [{"resourceType": "Goal", "id": f"g{i}"} for i in range(3)]
    plans = [{"resourceType": "CarePlan", "id": "cp"}]
    # Contained resources are part of the resource that holds them.
    holder = encounter("e9", contained=[{"resourceType": "Practitioner", "id": "x"}])
    mixed = ndjson(
        patient(), goals[0], encounter(), holder, *plans, goals[1], condition(), goals[2]
    )
    taken = take_in_files(tmp_path, {"export.ndjson": mixed}, "fhir_r4")
    tables = taken.report.tables
    assert {name: vars(count) for name, count in tables.items() if count.rows_ignored} == {
        "Goal": vars(tables["Goal"]) | {"rows_in": 3, "rows_ignored": 3},
        "CarePlan": vars(tables["CarePlan"]) | {"rows_in": 1, "rows_ignored": 1},
    }
    assert taken.counts("encounter") == (2, 2, 0, 0, 0)
    places = {
        table: taken.rows(table, "line_no") for table in ("patient", "encounter", "condition")
    }
    assert places == {"patient": [(1,)], "encounter": [(3,), (4,)], "condition": [(7,)]}


def test_a_file_of_an_unused_type_is_ignored_and_counted(tmp_path: Path) -> None:
    goals = ndjson(*({"resourceType": "Goal", "id": f"g{i}"} for i in range(5)))
    taken = take_in_files(
        tmp_path, {"Patient.ndjson": ndjson(patient()), "Goal.ndjson.gz": goals}, "fhir_r4"
    )
    assert taken.counts("Goal") == (5, 0, 0, 5, 0)
    assert (taken.manifest.unused_files, taken.manifest.ignored) == (1, {"Goal": 5})


def test_tables_that_a_delivery_lacks_are_written_empty_with_their_columns(tmp_path: Path) -> None:
    taken = take_in_files(tmp_path, {"Patient.ndjson": ndjson(patient())}, "fhir_r4")
    for table in ("observation", "medication_request", "procedure"):
        assert taken.rows(table) == []
    with duckdb.connect() as connection:
        path = taken.paths.raw / taken.manifest.delivery_id / "observation.parquet"
        described = connection.execute("describe from read_parquet($1)", [str(path)]).fetchall()
    types = {row[0]: row[1] for row in described}
    assert types["codings"] == 'STRUCT("system" VARCHAR, code VARCHAR)[]'
    assert (types["observation_id"], types["effective_date"]) == ("BIGINT", "DATE")
    assert list(types)[:4] == ["delivery_id", "file_no", "line_no", "observation_id"]


@pytest.mark.parametrize("name", ["p[1]", "p*", "p?", "[p]1", "*"])
def test_a_file_name_that_is_a_pattern_is_one_file(tmp_path: Path, name: str) -> None:
    """Each file is read once, whatever the others are called."""
    files = {
        f"{name}.json": bundle(patient("p1")),
        "p1.json": bundle(patient("p2")),
        "pa.json": bundle(patient("p3")),
        f"{name}.ndjson": ndjson(patient("p4")),
        "p1.ndjson": ndjson(patient("p5"), patient("p6")),
    }
    taken = take_in_files(tmp_path / "names", files, "fhir_r4")
    assert taken.counts("patient") == (6, 6, 0, 0, 0)
    plain = dict(zip("abcde", files.values(), strict=True))
    plain = {f"{stem}.{'ndjson' if stem > 'c' else 'json'}": t for stem, t in plain.items()}
    assert taken.content() == take_in_files(tmp_path / "plain", plain, "fhir_r4").content()
    folder = f"{name}/observation_period"
    parts = {"person.csv": PERSONS, f"{folder}/a.csv": PERIODS}
    taken = take_in_files(tmp_path / "csv", parts)
    assert taken.counts("observation_period") == (3, 3, 0, 0, 0)


def test_a_parquet_file_beside_one_that_its_name_matches(tmp_path: Path) -> None:
    files = as_table_files(tmp_path, "parquet")
    parts = {f"person/{n}.parquet": files["person.parquet"] for n in ("p[1]", "p1")}
    rest = {name: content for name, content in files.items() if name != "person.parquet"}
    taken = take_in_files(tmp_path, rest | parts)
    assert taken.counts("person") == (6, 6, 0, 0, 0)


# -- archives in archives --------------------------------------------------------------------------


def as_zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_a_zip_in_a_zip_is_opened(tmp_path: Path) -> None:
    plain = {name: text.encode() for name, text in OMOP.items()}
    people = {name: plain[name] for name in ("person.csv", "observation_period.csv")}
    events = {"condition_occurrence.csv.gz": gzip.compress(plain["condition_occurrence.csv"])}
    outer = {"people.zip": as_zip(people), "more/events.zip": as_zip(events)}
    taken = take_in_files(tmp_path / "a", {"all.zip": as_zip(outer)})
    assert taken.content() == take_in_files(tmp_path / "plain", OMOP).content()
    packed = take_in_files(tmp_path / "b", {"all.zip.gz": as_zip(plain)})
    assert packed.content() == taken.content()
    for _ in range(4):
        outer = {"x.zip": as_zip(outer)}
    with pytest.raises(DeliveryError) as raised:
        take_in_files(tmp_path / "c", OMOP | {"all.zip": as_zip(outer)})
    assert str(raised.value) == (
        "delivery extract has more than 3 zips in one another; nothing of it was taken in. Unpack "
        "it, or ask the source for plain files"
    )


@pytest.mark.parametrize("ending", [".tar.gz", ".tgz", ".7z", ".csv.zst", ".csv.bz2", ".rar"])
def test_an_archive_that_is_not_opened_is_not_passed_over(tmp_path: Path, ending: str) -> None:
    folder = write_files(tmp_path / "extract", OMOP)
    (folder / f"death{ending}").write_bytes(b"?")
    with pytest.raises(DeliveryError, match=r"^delivery extract has a file of kind \.\w+, which"):
        take_in(site_of(folder), tmp_path / "home")


def test_two_files_of_one_name_in_a_zip_are_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with (
        pytest.warns(UserWarning, match="Duplicate name"),
        zipfile.ZipFile(buffer, "w") as archive,
    ):
        for name, text in [*OMOP.items(), ("person.csv", PERSONS)]:
            archive.writestr(name, text)
    with pytest.raises(DeliveryError, match="holds a zip with two files of one name"):
        take_in_files(tmp_path, {"all.zip": buffer.getvalue()})


def test_bundles_are_read_whatever_is_packed_in_what(tmp_path: Path) -> None:
    one, two, three = (bundle(patient(f"p{n}")).encode() for n in range(3))
    inner = as_zip({"x.json.gz": gzip.compress(one), "x.json": two})
    files = {"all.zip": inner, "p.json": three, "p.json.gz": bundle(patient("p4"))}
    taken = take_in_files(tmp_path, files, "fhir_r4")
    assert taken.counts("patient") == (4, 4, 0, 0, 0)
    assert len({row[0] for row in taken.rows("patient", "patient_id")}) == 4


def test_an_entry_without_a_resource_is_quarantined(tmp_path: Path) -> None:
    made = json.loads(bundle(patient(), encounter()))
    made["entry"][1:1] = [
        {"request": {"method": "DELETE", "url": "Condition/1"}},
        {"fullUrl": "urn:uuid:1", "resource": None},
        None,
    ]
    taken = take_in_files(tmp_path, {"a.json": json.dumps(made)}, "fhir_r4")
    assert taken.counts("patient") == (4, 1, 3, 0, 0)
    assert taken.rows("encounter", "line_no") == [(5,)]
    assert taken.quarantine("line_no, reason") == [
        (2, "no resourceType"),
        (3, "malformed JSON"),
        (4, "no resourceType"),
    ]


def test_a_bundle_whose_entries_are_no_list_is_malformed(tmp_path: Path) -> None:
    wrong = json.dumps({"resourceType": "Bundle", "entry": {"resource": patient("p2")}})
    files = {"a.json": bundle(patient()), "b.json": wrong}
    taken = take_in_files(tmp_path, files, "fhir_r4")
    assert taken.counts("patient") == (2, 1, 1, 0, 0)
    empty = {"resourceType": "Bundle", "type": "searchset"}
    files |= {"b.json": json.dumps(empty), "c.json": json.dumps(empty | {"entry": []})}
    taken = take_in_files(tmp_path / "empty", files, "fhir_r4")
    assert taken.counts("patient") == (1, 1, 0, 0, 0)


@pytest.mark.parametrize("name", ["a.json", "a.ndjson"])
def test_a_bundle_in_a_bundle_or_in_a_line_is_refused(tmp_path: Path, name: str) -> None:
    inner = json.loads(bundle(patient("p2")))
    text = bundle(patient(), inner | {"id": "b"}) if name == "a.json" else json.dumps(inner)
    files = {"Patient.ndjson": ndjson(patient()), name: text}
    with pytest.raises(DeliveryError, match=r" holds 1 Bundles in one another or as lines, whose"):
        take_in_files(tmp_path, files, "fhir_r4")
