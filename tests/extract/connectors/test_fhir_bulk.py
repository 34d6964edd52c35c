"""What a FHIR server exports is what its files would have been, whatever happens on the way."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from pumasi.config import SiteConfig, SitePaths, project_root
from pumasi.errors import ConfigError, DeliveryError, PumasiError
from pumasi.extract import clear, discover, preview, pull, read
from pumasi.extract.connectors.fhir_bulk import fetch
from pumasi.extract.connectors.landing import Landed
from pumasi.extract.connectors.web import ATTEMPTS, Clock, back_off, retry_after
from tests.extract.connectors.bulk_server import BulkServer, running_bulk_server
from tests.extract.extracts import (
    condition,
    content_of,
    encounter,
    ndjson,
    patient,
    place_key,
    take_in_files,
)

TOKEN = "bearer-secret-5b21"


@pytest.fixture
def bulk() -> Iterator[BulkServer]:
    with running_bulk_server() as server:
        server.add(
            patient("p1", name=[{"family": "Byron"}]),
            patient("p2"),
            patient("p3"),
            encounter(),
            condition(),
            {"resourceType": "RelatedPerson", "id": "d1"},
        )
        yield server


def config_of(bulk: BulkServer, kind: str = "incremental", **more: Any) -> SiteConfig:
    source = {"connector": "fhir_bulk", "url": bulk.url, "kind": kind, "fhir_bulk": more}
    return SiteConfig.model_validate(
        {"id": "tiny", "name": "Tiny", "format": "fhir_r4", "source": source}
    )


class Waits:
    """A clock that notes how long it was to sleep, and does not."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.said: list[str] = []

    def fetch(self, config: SiteConfig, paths: SitePaths, full: bool = False) -> Landed | None:
        clock = Clock(sleep=self.slept.append, chance=lambda: 0.0)
        return fetch(config, paths, full=full, progress=self.said.append, clock=clock)


@pytest.fixture
def waits() -> Waits:
    return Waits()


def take_in_landed(config: SiteConfig, paths: SitePaths) -> list[str]:
    ids = []
    for delivery in discover(config, paths):
        manifest = pull(config, delivery, paths)
        read(config, manifest, delivery, paths)
        clear(paths, delivery, manifest.delivery_id)
        ids.append(manifest.delivery_id)
    return ids


def refusal(waits: Waits, config: SiteConfig, paths: SitePaths) -> str:
    with pytest.raises(PumasiError) as raised:
        waits.fetch(config, paths)
    assert isinstance(raised.value, DeliveryError | ConfigError)
    assert TOKEN not in str(raised.value)
    assert "sssh" not in str(raised.value)
    assert discover(config, paths) == []
    return str(raised.value)


@pytest.mark.parametrize("packed", [False, True])
def test_an_export_gives_the_rows_of_the_files(
    bulk: BulkServer, paths: SitePaths, waits: Waits, tmp_path: Path, packed: bool
) -> None:
    bulk.packed = packed
    bulk.polls = 2
    config = config_of(bulk)
    landed = waits.fetch(config, paths)
    assert landed is not None
    assert landed.rows == {"Condition": 1, "Encounter": 1, "Patient": 3}
    assert (landed.kind, landed.name) == ("full", "2024-06-30")
    assert waits.slept == [7.0, 7.0]
    # The server's own words are not shown: they may be anything.
    assert waits.said.count("the server prepares the export 40 %") == 2
    assert not any("Minji" in each for each in waits.said)
    assert bulk.kinds() == ["$export", *["status"] * 3, *["files"] * 4, "delete"]
    types = bulk.asked[0][0].partition("_type=")[2].split(",")
    assert "RelatedPerson" not in types
    assert {"Patient", "Observation"} <= set(types)
    (delivery,) = discover(config, paths)
    assert (delivery.as_of, delivery.extracted_through) == (date(2024, 6, 30), date(2024, 6, 29))
    (identity,) = take_in_landed(config, paths)
    files = {
        "Patient.ndjson": ndjson(patient("p1"), patient("p2"), patient("p3")),
        "Encounter.ndjson": ndjson(encounter()),
        "Condition.ndjson": ndjson(condition()),
    }
    assert content_of(paths.raw / identity) == take_in_files(tmp_path, files, "fhir_r4").content()
    assert not list(paths.landing.rglob("*.ndjson"))


def test_the_next_export_asks_for_what_changed_since(
    bulk: BulkServer, paths: SitePaths, waits: Waits
) -> None:
    config = config_of(bulk)
    waits.fetch(config, paths)
    take_in_landed(config, paths)
    bulk.now = "2024-07-31T12:00:00+09:00"
    assert waits.fetch(config, paths) is None
    assert preview(config, paths) == ("incremental", {})
    bulk.add(patient("p4"), changed="2024-07-02T00:00:00Z")
    bulk.deleted = ["Condition/c1", "Observation/o1", "Observation/o2"]
    kind, counts = preview(config, paths)
    assert (kind, counts["Patient"], counts["Condition"]) == ("incremental", 1, 0)
    landed = waits.fetch(config, paths)
    assert landed is not None
    assert (landed.kind, landed.after, landed.rows) == (
        "incremental", "2024-06-30", {"Patient": 1},
    )  # fmt: skip
    exports = [path for path, kind in bulk.asked if kind == "$export"]
    assert exports[-1].endswith("&_since=2024-06-30T12%3A00%3A00%2B09%3A00")
    (delivery,) = discover(config, paths)
    manifest = pull(config, delivery, paths)
    assert manifest.findings[0] == (
        "deleted at the source: 1 Condition, 2 Observation; they stay here until a full delivery "
        "(pumasi pull --full)"
    )
    assert manifest.kind == "incremental"
    take_in_landed(config, paths)
    bulk.now = "2024-08-31T12:00:00+09:00"
    whole = waits.fetch(config, paths, full=True)
    assert whole is not None
    assert (whole.kind, whole.rows["Patient"]) == ("full", 4)


def test_what_may_be_over_in_a_moment_is_tried_again(
    bulk: BulkServer, paths: SitePaths, waits: Waits
) -> None:
    bulk.polls = 0
    bulk.faults = {
        "$export": [(429, {"Retry-After": "3"}), (503, {})],
        "status": [(502, {}), (429, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})],
        "files": [
            "short",
            (503, {}),
            (500, {}),
            "cut off",
            "none",
            "none",
            "whole lines missing",
        ],
    }
    landed = waits.fetch(config_of(bulk), paths)
    assert landed is not None
    assert landed.rows == {"Condition": 1, "Encounter": 1, "Patient": 3}
    # Said by the server, or half of 1, 2, 4, 8, … as chance is nought; a date that is over is now.
    assert waits.slept == [3.0, 1.0, 0.5, 0.0, 0.5, 1.0, 2.0, 4.0, 0.5]
    assert "Patient.000.ndjson: 1 of 2 lines came; again in 0 s" in waits.said
    assert "Condition.000.ndjson: status 503; again in 1 s" in waits.said


def test_a_file_that_stays_cut_off_is_not_taken(
    bulk: BulkServer, paths: SitePaths, waits: Waits
) -> None:
    bulk.faults = {"files": ["short"] * ATTEMPTS}
    said = refusal(waits, config_of(bulk), paths)
    assert "Condition.000.ndjson: the connection broke (" in said
    assert f"in {ATTEMPTS} attempts. Nothing was landed; what was fetched is kept: run" in said
    assert waits.fetch(config_of(bulk), paths) is not None
    assert bulk.kinds().count("$export") == 1


def test_without_counts_a_cut_off_last_line_is_noticed(
    bulk: BulkServer, paths: SitePaths, waits: Waits
) -> None:
    bulk.counts = False
    bulk.faults = {"files": ["cut off"]}
    landed = waits.fetch(config_of(bulk), paths)
    assert landed is not None
    assert "Condition.000.ndjson: the last line is cut off; again in 0 s" in waits.said


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_links_that_expired_cost_another_export_once(
    bulk: BulkServer, paths: SitePaths, waits: Waits, status: int
) -> None:
    expired = (status, {})
    bulk.faults = {"files": ["none", "none", expired]}
    landed = waits.fetch(config_of(bulk), paths)
    assert landed is not None
    assert landed.rows == {"Condition": 1, "Encounter": 1, "Patient": 3}
    assert bulk.kinds().count("$export") == 2
    # Files of two exports never meet: the second is fetched wholly.
    assert [path.split("/")[2] for path, kind in bulk.asked if kind == "files"] == [
        "1", "1", "1", "2", "2", "2", "2",
    ]  # fmt: skip


def test_links_that_expire_again_are_reported(
    bulk: BulkServer, paths: SitePaths, waits: Waits
) -> None:
    bulk.faults = {"files": ["none", (410, {}), (410, {})]}
    assert "the links of its export expired twice" in refusal(waits, config_of(bulk), paths)
    assert bulk.kinds().count("$export") == 2


def test_a_file_of_another_type_is_refused(
    bulk: BulkServer, paths: SitePaths, waits: Waits
) -> None:
    bulk.faults = {"files": ["none", "none", "wrong type"]}
    said = refusal(waits, config_of(bulk), paths)
    assert "the file that it says holds Patient holds another type in line 1" in said


def test_an_export_with_errors_is_refused_unless_they_are_tolerated(
    bulk: BulkServer, paths: SitePaths, waits: Waits
) -> None:
    issue = {"severity": "information", "code": "processing", "diagnostics": "Kim Minji"}
    bulk.errors = [{"resourceType": "OperationOutcome", "issue": [issue]}]
    assert waits.fetch(config_of(bulk), paths) is not None
    issue["severity"] = "error"
    bulk.now = "2024-07-01T00:00:00Z"
    other = SitePaths.of("tiny", paths.root.parent / "other")
    said = refusal(waits, config_of(bulk), other)
    assert "it says that its export has 1 errors" in said
    assert "Minji" not in said
    assert waits.fetch(config_of(bulk, tolerate_errors=True), other) is not None


def test_the_token_goes_where_it_belongs(
    bulk: BulkServer, paths: SitePaths, waits: Waits, tmp_path: Path
) -> None:
    bulk.token = TOKEN
    file = tmp_path / "token"
    file.write_text("old")
    file.chmod(0o600)
    config = config_of(bulk, token_file=str(file))
    said = refusal(waits, config, paths)
    assert "the export was refused (status 401): it does not accept the token; renew it" in said
    file.write_text(TOKEN)
    file.chmod(0o640)
    assert "can be read by others" in refusal(waits, config, paths)
    file.chmod(0o600)
    assert waits.fetch(config, paths) is not None


def test_files_are_fetched_from_no_other_host(
    bulk: BulkServer, paths: SitePaths, waits: Waits, tmp_path: Path
) -> None:
    with running_bulk_server() as store:
        store.exports = bulk.exports
        bulk.elsewhere = f"127.0.0.1:{store.port}"
        said = refusal(waits, config_of(bulk), paths)
        assert f"leads to http://127.0.0.1:{store.port}, which is not configured" in said
        assert store.asked == []
        file = tmp_path / "token"
        file.write_text(TOKEN)
        file.chmod(0o600)
        config = config_of(bulk, file_hosts=[bulk.elsewhere], token_file=str(file))
        assert waits.fetch(config, paths) is not None
        # The manifest says that its links need no token: it doesn't leave the server.
        assert not any("Authorization" in each for each in store.headers)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ((404, {}), "it knows no such address; is source.url its base address"),
        ((403, {}), "the token does not allow it"),
        ((302, {"Location": "http://x.example/"}), "it leads elsewhere, which is not followed"),
        ((200, {}), "it does not answer $export as Bulk Data Access wants it"),
        ((202, {}), "it does not answer $export as Bulk Data Access wants it"),
    ],
)
def test_a_server_that_does_not_export_is_told_from_one_that_fails(
    bulk: BulkServer, paths: SitePaths, waits: Waits, fault: Any, words: str
) -> None:
    bulk.faults = {"$export": [fault]}
    assert words in refusal(waits, config_of(bulk), paths)
    assert waits.slept == []


def test_a_server_that_is_down_is_named(paths: SitePaths, waits: Waits) -> None:
    with running_bulk_server() as bulk:
        config = config_of(bulk)
    said = refusal(waits, config, paths)
    assert said.startswith(f"site tiny: the FHIR server 127.0.0.1:{bulk.port}: asking for an ex")
    assert "the connection broke (ConnectionError), in 6 attempts" in said
    assert waits.slept == [0.5, 1.0, 2.0, 4.0, 8.0]


def test_an_export_that_takes_too_long_is_waited_for_by_the_next_run(
    bulk: BulkServer, paths: SitePaths, waits: Waits
) -> None:
    bulk.polls = 600
    config = config_of(bulk, patience_hours=1)
    assert "the export is not ready after 1 hours" in refusal(waits, config, paths)
    assert sum(waits.slept) == 3598
    bulk.exports["1"]["polls"] = 1
    assert waits.fetch(config, paths) is not None
    assert bulk.kinds().count("$export") == 1


def test_an_export_that_failed_is_asked_for_anew_by_the_next_run(
    bulk: BulkServer, paths: SitePaths, waits: Waits
) -> None:
    bulk.faults = {"status": [(500, {})] * ATTEMPTS}
    assert "the state of the export: status 500, in 6 attempts" in refusal(
        waits, config_of(bulk), paths
    )
    assert waits.fetch(config_of(bulk), paths) is not None
    assert bulk.kinds().count("$export") == 2


def test_an_empty_export_is_refused(bulk: BulkServer, paths: SitePaths, waits: Waits) -> None:
    bulk.resources.clear()
    assert "its export is empty" in refusal(waits, config_of(bulk), paths)


def test_a_second_export_of_one_day_waits_for_the_next(
    bulk: BulkServer, paths: SitePaths, waits: Waits
) -> None:
    config = config_of(bulk)
    waits.fetch(config, paths)
    take_in_landed(config, paths)
    bulk.now = "2024-06-30T23:00:00+09:00"
    bulk.add(patient("p4"), changed="2024-06-30T20:00:00Z")
    assert waits.fetch(config, paths) is None
    assert any(each.startswith("a delivery as of 2024-06-30 is there") for each in waits.said)
    bulk.now = "2024-07-01T23:00:00+09:00"
    landed = waits.fetch(config, paths)
    assert landed is not None
    assert landed.rows == {"Patient": 1}


# Fetches an export and says where it is; a line on stdin lets it go on from there.
PROGRAM = """
import sys
from pathlib import Path
from pumasi.config import SiteConfig, SitePaths
from pumasi.extract.connectors.fhir_bulk import fetch
from pumasi.extract.connectors.web import Clock

def say(message):
    print(message, flush=True)
    sys.stdin.readline()

config = SiteConfig.model_validate_json(sys.argv[1])
paths = SitePaths.of("tiny", Path(sys.argv[2]))
fetch(config, paths, full=False, progress=say, clock=Clock(sleep=lambda seconds: None))
"""


def kill_at(config: SiteConfig, paths: SitePaths, message: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, config.model_dump_json(), str(paths.root.parents[1])],
        cwd=project_root(),
        env=os.environ | {"PYTHONPATH": str(project_root())},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    while (said := process.stdout.readline().rstrip()) != message:
        assert said, f"it ended before {message!r}"
        process.stdin.write("\n")
        process.stdin.flush()
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    ("message", "fetched_again"),
    [
        ("the server prepares the export 40 %", 4),
        ("Encounter.000.ndjson: 1 lines", 3),
        ("Patient.001.ndjson: 1 lines", 1),
    ],
)
def test_a_killed_fetch_goes_on_where_it_was(
    bulk: BulkServer, paths: SitePaths, waits: Waits, message: str, fetched_again: int
) -> None:
    config = config_of(bulk)
    kill_at(config, paths, message)
    state = paths.landing / "export.json"
    assert state.stat().st_mode & 0o777 == 0o600
    assert json.loads(state.read_text())["status"] == f"{bulk.url}/status/1"
    assert discover(config, paths) == []
    before = bulk.kinds().count("files")
    landed = waits.fetch(config, paths)
    assert landed is not None
    assert landed.rows == {"Condition": 1, "Encounter": 1, "Patient": 3}
    assert bulk.kinds().count("$export") == 1
    # What was told was not yet written down: that one file comes again.
    assert bulk.kinds().count("files") - before == fetched_again
    assert not state.exists()
    (killed,) = take_in_landed(config, paths)
    whole = SitePaths.of("tiny", paths.root.parent / "whole")
    place_key(whole)
    waits.fetch(config, whole)
    assert take_in_landed(config, whole) == [killed]


def test_an_export_that_is_gone_after_a_crash_is_asked_for_anew(
    bulk: BulkServer, paths: SitePaths, waits: Waits
) -> None:
    config = config_of(bulk)
    kill_at(config, paths, "Encounter.000.ndjson: 1 lines")
    del bulk.exports["1"]
    bulk.exports["x"] = {}
    assert waits.fetch(config, paths) is not None
    assert bulk.kinds().count("$export") == 2


def test_the_delay_doubles_up_to_two_minutes_and_half_of_it_is_chance() -> None:
    least = Clock(chance=lambda: 0.0)
    most = Clock(chance=lambda: 1.0)
    assert [back_off(n, least) for n in (0, 1, 2, 7, 20)] == [0.5, 1.0, 2.0, 60.0, 60.0]
    assert [back_off(n, most) for n in (0, 1, 2, 7, 20)] == [1.0, 2.0, 4.0, 120.0, 120.0]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("12", 12.0),
        ("-3", 0.0),
        ("86400", 3600.0),
        ("Sun, 30 Jun 2024 12:01:30 GMT", 90.0),
        ("Sun, 30 Jun 2024 11:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_at_most_an_hour(
    header: str | None, seconds: float | None
) -> None:
    clock = Clock(now=lambda: datetime(2024, 6, 30, 12, tzinfo=UTC))
    assert retry_after(header, clock) == seconds
