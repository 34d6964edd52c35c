"""What a FHIR server may send amiss: a bad line costs itself, what loses more is refused."""

import json
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pumasi.config import SiteConfig, SitePaths
from pumasi.errors import DeliveryError
from pumasi.extract import clear, discover, pull, read
from pumasi.extract import fetch as fetch_any
from pumasi.extract.accounts import TableCount
from pumasi.extract.connectors.web import ATTEMPTS
from tests.extract.connectors.bulk_server import BulkServer
from tests.extract.connectors.test_fhir_bulk import (
    Waits,
    bulk,
    config_of,
    refusal,
    take_in_landed,
    waits,
)
from tests.extract.extracts import (
    condition,
    content_of,
    encounter,
    ndjson,
    patient,
    rows_of,
    take_in_files,
)

__all__ = ["bulk", "waits"]  # fixtures

Manifest = dict[str, Any]
PAGE = b"<html>\n<body>Kim Minji, please log in</body>\n</html>"


def taken_in(config: SiteConfig, paths: SitePaths) -> dict[str, TableCount]:
    """What is counted of the one delivery that waits."""
    (delivery,) = discover(config, paths)
    manifest = pull(config, delivery, paths)
    report = read(config, manifest, delivery, paths)
    clear(paths, delivery, manifest.delivery_id)
    return report.tables


def quarantined(paths: SitePaths) -> list[Any]:
    return rows_of(paths.quarantine / "*.parquet", "file, line_no, reason")


BAD_LINES = [
    (b'{"resourceType": "Patient", "id": "p9", "gender": "male"', "malformed JSON"),
    (b'{"resourceType":"Patient","id":"p9",', "malformed JSON"),
    (b'{"resourceType": "Patient", "id": "\xff\xfe", "birthDate": "1980"}', "invalid encoding"),
    (b'{"resourceType": "Patient", "id": "p9\x00"}', "malformed JSON"),
    (PAGE.splitlines()[1], "malformed JSON"),
    (b'["not", "a", "resource"]', "no resourceType"),
    (b"null", "malformed JSON"),
    (json.dumps(patient("p9", birthDate="1980-13")).encode(), "birth_year is not an admitted year"),
    (json.dumps(patient("p9", note="x" * (5 << 20))).encode(), "line size over maximum"),
]


@pytest.mark.parametrize("position", [0, 1, 3])
@pytest.mark.parametrize(("line", "reason"), BAD_LINES)
def test_a_bad_line_costs_itself_wherever_it_is(
    bulk: BulkServer, paths: SitePaths, waits: Waits, line: bytes, reason: str, position: int
) -> None:
    bulk.counts, bulk.per_file = False, 9

    def spoil(body: bytes) -> bytes:
        lines = body.splitlines()
        if b'"Patient"' in lines[0]:
            lines.insert(position, line)
        return b"\n".join(lines) + b"\n"

    bulk.spoil = spoil
    config = config_of(bulk)
    landed = waits.fetch(config, paths)
    assert landed is not None
    assert landed.rows == {"Condition": 1, "Encounter": 1, "Patient": 4}
    tables = taken_in(config, paths)
    found = tables["patient"]
    assert (found.rows_in, found.rows_read, found.rows_quarantined) == (4, 3, 1)
    assert quarantined(paths) == [("Patient.000.ndjson", position + 1, reason)]
    assert not any("Minji" in each for each in waits.said)


def test_a_resource_without_what_it_needs_is_quarantined(
    bulk: BulkServer, paths: SitePaths, waits: Waits
) -> None:
    bulk.add(
        encounter("e2", period={}),
        encounter("e3", subject="Group/g1"),
        condition("c2", subject=""),
        {"resourceType": "Condition", "subject": {"reference": "Patient/p1"}},
    )
    config = config_of(bulk)
    waits.fetch(config, paths)
    tables = taken_in(config, paths)
    assert [(tables[t].rows_in, tables[t].rows_read) for t in ("encounter", "condition")] == [
        (3, 1),
        (3, 1),
    ]
    assert sorted(quarantined(paths)) == [
        ("Condition.000.ndjson", 2, "patient_id is missing"),
        ("Condition.001.ndjson", 1, "condition_id is missing"),
        ("Encounter.000.ndjson", 2, "start_date is missing"),
        ("Encounter.001.ndjson", 1, "subject is no Patient"),
    ]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: b"\xef\xbb\xbf" + body,
        lambda body: body.replace(b"\n", b"\r\n"),
        lambda body: body.replace(b"\n", b"\n\n"),
        lambda body: b"\n" + body,
        lambda body: body.rstrip(b"\n"),
    ],
    ids=["mark", "carriage returns", "blank lines", "blank first line", "no last line end"],
)
def test_lines_are_read_however_they_end(
    bulk: BulkServer,
    paths: SitePaths,
    waits: Waits,
    tmp_path: Path,
    spoil: Callable[[bytes], bytes],
) -> None:
    bulk.spoil = spoil
    config = config_of(bulk)
    waits.fetch(config, paths)
    (identity,) = take_in_landed(config, paths)
    resources = [each for _, each in bulk.resources if each["resourceType"] != "RelatedPerson"]
    plain = take_in_files(tmp_path, {"all.ndjson": ndjson(*resources)}, "fhir_r4")
    assert content_of(paths.raw / identity) == plain.content()


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_page_instead_of_ndjson_is_called_one(
    bulk: BulkServer, paths: SitePaths, waits: Waits, end: bytes
) -> None:
    """A proxy that wants a login, or is being mended, answers with status 200."""
    bulk.counts = False
    bulk.spoil = lambda body: PAGE + end
    said = refusal(waits, config_of(bulk), paths)
    assert "Condition.000.ndjson: no line of it is a resource: is it a page instead of NDJSON?" in (
        said
    )
    assert f"in {ATTEMPTS} attempts. Nothing was landed" in said
    assert "Minji" not in said + "".join(waits.said)
    bulk.spoil = lambda body: body
    bulk.faults = {"files": ["page"]}
    assert waits.fetch(config_of(bulk), paths) is not None
    assert bulk.kinds().count("$export") == 1


def test_an_outcome_instead_of_ndjson_is_refused(
    bulk: BulkServer, paths: SitePaths, waits: Waits
) -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": [{"diagnostics": "Kim Minji"}]}
    bulk.spoil = lambda body: json.dumps(outcome).encode()
    said = refusal(waits, config_of(bulk), paths)
    assert "the file that it says holds Condition holds another type in line 1" in said
    assert "Minji" not in said
    bulk.spoil = lambda body: body
    assert waits.fetch(config_of(bulk), paths) is not None
    assert bulk.kinds().count("$export") == 2


@pytest.mark.parametrize("counts", [True, False])
def test_a_compressed_file_that_is_cut_off_is_fetched_again(
    bulk: BulkServer, paths: SitePaths, waits: Waits, counts: bool
) -> None:
    """All bytes that were announced came, but the compressed text has no end."""
    bulk.packed, bulk.counts = True, counts
    sent: list[bytes] = []

    def cut(body: bytes) -> bytes:
        sent.append(body)
        return body[:-12] if len(sent) <= 2 else body

    bulk.spoil_sent = cut
    landed = waits.fetch(config_of(bulk), paths)
    assert landed is not None
    assert landed.rows == {"Condition": 1, "Encounter": 1, "Patient": 3}
    assert len([each for each in waits.said if each.startswith("Condition.000.ndjson: ")]) == 3


@pytest.mark.parametrize("counts", [True, False])
def test_a_type_without_resources_is_an_empty_file(
    bulk: BulkServer, paths: SitePaths, waits: Waits, counts: bool
) -> None:
    def reshape(manifest: Manifest) -> None:
        url = f"http://127.0.0.1:{bulk.port}/files/1/empty.ndjson"
        count = {"count": 0} if counts else {}
        manifest["output"].append({"type": "Observation", "url": url} | count)

    bulk.reshape = reshape
    bulk.beside = {"empty.ndjson": []}
    config = config_of(bulk)
    landed = waits.fetch(config, paths)
    assert landed is not None
    assert landed.rows == {"Condition": 1, "Encounter": 1, "Patient": 3, "Observation": 0}
    tables = taken_in(config, paths)
    assert (tables["observation"].rows_in, tables["patient"].rows_read) == (0, 3)


def test_a_file_that_is_listed_twice_is_fetched_once(
    bulk: BulkServer, paths: SitePaths, waits: Waits
) -> None:
    bulk.reshape = lambda manifest: manifest["output"].extend(manifest["output"][1:3])
    config = config_of(bulk)
    landed = waits.fetch(config, paths)
    assert landed is not None
    assert landed.rows == {"Condition": 1, "Encounter": 1, "Patient": 3}
    assert bulk.kinds().count("files") == 4
    assert "2 files that are listed twice are fetched once" in waits.said


def test_two_files_of_one_content_are_two_as_in_a_folder(
    bulk: BulkServer, paths: SitePaths, waits: Waits, tmp_path: Path
) -> None:
    def reshape(manifest: Manifest) -> None:
        again = manifest["output"][0]
        manifest["output"].append(again | {"url": again["url"].replace("ssh", "shh")})

    bulk.reshape = reshape
    config = config_of(bulk)
    landed = waits.fetch(config, paths)
    assert landed is not None
    assert landed.rows["Condition"] == 2
    (identity,) = take_in_landed(config, paths)
    files = {
        "Patient.ndjson": ndjson(patient("p1"), patient("p2"), patient("p3")),
        "Encounter.ndjson": ndjson(encounter()),
        "Condition.ndjson": ndjson(condition()),
        "Condition.1.ndjson": ndjson(condition()),
    }
    assert content_of(paths.raw / identity) == take_in_files(tmp_path, files, "fhir_r4").content()


NO_LIST = "a manifest without transactionTime and output"
NO_ADDRESS = "a manifest with a file that has no address"


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("transactionTime", None, NO_LIST),
        ("transactionTime", "soon", "a transactionTime that is no instant"),
        ("output", None, NO_LIST),
        ("output", {"type": "Patient"}, NO_LIST),
        ("output", [None], NO_ADDRESS),
        ("output", ["Patient"], NO_ADDRESS),
        ("output", [{"type": "Patient"}], NO_ADDRESS),
        ("output", [{"type": ["Patient"], "url": 7}], NO_ADDRESS),
        ("output", [], "its export is empty"),
        ("output", [{"type": "RelatedPerson", "url": "x"}], "its export is empty"),
        ("error", "Kim Minji", "a manifest whose `error` is no list"),
        ("error", [None], NO_ADDRESS),
        ("error", [{"type": "OperationOutcome"}], NO_ADDRESS),
    ],
)
def test_a_manifest_that_is_none_is_refused_and_asked_for_anew(
    bulk: BulkServer, paths: SitePaths, waits: Waits, key: str, value: Any, words: str
) -> None:
    bulk.reshape = lambda manifest: manifest.update({key: value})
    said = refusal(waits, config_of(bulk), paths)
    assert words in said
    assert "othing was landed" in said
    assert "Minji" not in said
    bulk.reshape = lambda manifest: None
    assert waits.fetch(config_of(bulk), paths) is not None
    assert bulk.kinds().count("$export") == 2


@pytest.mark.parametrize(
    ("lines", "errors"),
    [
        (['{"issue": [{"severity": "fatal"}]}'], 1),
        (['{"issue": [{"severity": "error"}, {"severity" :"error"}]}', "{}"], 2),
        (['{"issue": [{"severity": "warning"}]}', ""], 0),
        (PAGE.decode().split("\n"), 3),
        (['{"issue": [{"severity": "war'], 1),
        (["null", "[]"], 2),
        ([], 0),
    ],
)
def test_what_is_said_of_errors_is_an_error_if_it_cannot_be_understood(
    bulk: BulkServer, paths: SitePaths, waits: Waits, lines: list[str], errors: int
) -> None:
    def reshape(manifest: Manifest) -> None:
        url = f"http://127.0.0.1:{bulk.port}/files/{len(bulk.exports) + 1}/errors.ndjson"
        manifest["error"] = [{"type": "OperationOutcome", "url": url}]

    bulk.reshape = reshape
    bulk.beside = {"errors.ndjson": lines}
    if not errors:
        assert waits.fetch(config_of(bulk), paths) is not None
        return
    said = refusal(waits, config_of(bulk), paths)
    assert f"it says that its export has {errors} errors, so something is missing" in said
    assert "Minji" not in said
    bulk.beside = {"errors.ndjson": []}
    assert waits.fetch(config_of(bulk), paths) is not None
    assert bulk.kinds().count("$export") == 2


def test_a_list_of_deletions_of_any_shape_is_counted_as_far_as_it_goes(
    bulk: BulkServer, paths: SitePaths, waits: Waits
) -> None:
    config = config_of(bulk)
    waits.fetch(config, paths)
    take_in_landed(config, paths)
    bulk.now = "2024-07-31T12:00:00+09:00"
    bulk.add(condition("c2"), changed="2024-07-02T00:00:00Z")
    entries = [None, "x", {"request": "DELETE"}, {"request": {"method": "DELETE", "url": "?"}}]
    good = {"request": {"method": "DELETE", "url": "Condition/c1"}}

    def reshape(manifest: Manifest) -> None:
        url = f"http://127.0.0.1:{bulk.port}/files/2/deleted.ndjson"
        manifest["deleted"] = [{"type": "Bundle", "url": url}]

    bulk.reshape = reshape
    bundle = json.dumps({"resourceType": "Bundle", "entry": [*entries, good]})
    bulk.beside = {"deleted.ndjson": [bundle, '{"entry": {"request": {}}}', "{broken", "[1]"]}
    landed = waits.fetch(config, paths)
    assert landed is not None
    # An incremental export needs no Patient.
    assert (landed.kind, landed.rows) == ("incremental", {"Condition": 1})
    assert landed.notes == (
        "deleted at the source: 1 Condition, 1 other; they stay here until a full delivery "
        "(pumasi pull --full)",
    )
    assert taken_in(config, paths)["condition"].rows_read == 1


@pytest.mark.parametrize("empty", [False, True])
def test_a_full_export_without_patients_is_not_landed_and_asked_for_anew(
    bulk: BulkServer, paths: SitePaths, waits: Waits, empty: bool
) -> None:
    def without(manifest: Manifest) -> None:
        listed = [each for each in manifest["output"] if each["type"] != "Patient"]
        url = f"http://127.0.0.1:{bulk.port}/files/1/empty.ndjson"
        manifest["output"] = listed + [{"type": "Patient", "url": url}] * empty

    bulk.reshape = without
    bulk.beside = {"empty.ndjson": []}
    assert refusal(waits, config_of(bulk), paths) == (
        "site tiny: the source has no rows of Patient: an empty extract is refused, because in a "
        "full delivery it would delete everybody. Nothing was landed; ask the source, and whether "
        "this user or token may see them"
    )
    bulk.reshape = lambda manifest: None
    landed = waits.fetch(config_of(bulk), paths)
    assert landed is not None
    assert landed.rows["Patient"] == 3
    assert bulk.kinds().count("$export") == 2


def test_an_export_of_which_no_patient_can_be_read_is_refused_when_it_is_read(
    bulk: BulkServer, paths: SitePaths, waits: Waits
) -> None:
    bulk.spoil = lambda body: body.replace(b'"birthDate"', b'"birthday"')
    config = config_of(bulk)
    waits.fetch(config, paths)
    with pytest.raises(DeliveryError) as raised:
        taken_in(config, paths)
    said = str(raised.value)
    assert "no row of patient could be read (the first: line 1 of Patient.000.ndjson, birth" in said
    assert not paths.raw.exists()


def test_a_full_disk_lands_nothing_and_a_later_run_goes_on(
    bulk: BulkServer, paths: SitePaths
) -> None:
    bulk.polls = 0
    bulk.add(*(patient(f"q{n}", note="x" * 100) for n in range(2000)))
    bulk.per_file = 3000
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(DeliveryError) as raised:
            fetch_any(config_of(bulk), paths)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert str(raised.value) == (
        "site tiny: fetching: the disk is full or can't be written; free space and run again. "
        "Nothing of it was taken in; what was read before is intact"
    )
    assert discover(config_of(bulk), paths) == []
    landed = fetch_any(config_of(bulk), paths)
    assert landed is not None
    assert landed.rows["Patient"] == 2003
    assert bulk.kinds().count("$export") == 1
