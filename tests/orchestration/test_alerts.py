"""A closed gate is told to a webhook: once, in order, with no count, and after any failure."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from orchestration.site import alerts
from orchestration.site.automation import automation
from orchestration.site.extract import partitions
from pumasi.alerts import Progress, Told, tell
from pumasi.config import SiteConfig, get_site
from pumasi.learn.tasks import TASKS
from pumasi.quality import Need, Purpose
from pumasi.release import Provenance, seal_broken
from tests.release.tiny import NOON, TinySite, failed, passed

SITE = """\
name = "Tiny"
format = "omop_cdm"

[source]
url = "../extract"

[alerts]
webhook_env = "ALERTS_WEBHOOK"
timeout_seconds = 1
"""
CHECK = "person.birth_year_is_plausible"
NEEDED = Purpose("fabry", (Need("measurement.unit_is_known"),))
TOKEN = "s3cr3t"


@dataclass
class Webhook:
    """A server that takes messages, and what it is to answer: a status, or seconds to wait."""

    port: int = 0
    status: int = 200
    delay: float = 0.0
    taken: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/{TOKEN}"

    @contextmanager
    def up(self) -> Iterator[None]:
        """The server, on the port that it had before if it was up before."""
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                webhook.headers.append(dict(self.headers))
                webhook.taken.append(json.loads(body))
                time.sleep(webhook.delay)
                self.send_response(webhook.status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        ThreadingHTTPServer.allow_reuse_address = True
        with ThreadingHTTPServer(("127.0.0.1", self.port), Handler) as server:
            self.port = server.server_port
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            yield
            server.shutdown()


@dataclass
class House:
    """A hospital with a webhook, and how far its alerts came."""

    site: TinySite
    webhook: Webhook
    now: datetime = NOON
    progress: Progress | None = None

    @property
    def config(self) -> SiteConfig:
        return get_site("tiny")

    def tell(self, purposes: tuple[Purpose, ...] = ()) -> Told:
        told = tell(self.config, self.site.paths, purposes, self.progress, self.now)
        # What Dagster keeps between two ticks.
        self.progress = Progress.from_text(told.progress.to_text())
        return told


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    (tmp_path / "network").mkdir()
    (tmp_path / "network" / "tiny.toml").write_text(SITE)
    monkeypatch.setenv("PUMASI_NETWORK", str(tmp_path / "network"))
    monkeypatch.setenv("PUMASI_HOME", str(tmp_path / "home"))
    webhook = Webhook()
    with webhook.up():
        pass
    monkeypatch.setenv("ALERTS_WEBHOOK", webhook.url)
    return House(TinySite(tmp_path / "home"), webhook)


def test_a_release_that_was_sealed_closed_is_told_once_without_a_count(house: House) -> None:
    release = house.site.seal(passed(), failed(CHECK))
    with house.webhook.up():
        assert house.tell().said == "seal 1: told the webhook that it is closed"
        assert house.tell().said == "every seal up to 1 is open or was told"
    (message,) = house.webhook.taken
    assert message == {
        "id": "tiny/1",
        "site": "tiny",
        "seal": 1,
        "release": release.id,
        "sealed_at": "2026-03-01T12:00:00+00:00",
        "state": "closed",
        "broken_step": None,
        "purposes": {},
        "checks": [{"check": CHECK, "severity": "error", "status": "failed"}],
    }
    assert house.webhook.headers[0]["Idempotency-Key"] == "tiny/1"


def test_a_release_that_is_closed_for_one_task_only_is_told(house: House) -> None:
    house.site.seal(passed())
    with house.webhook.up():
        house.tell((Purpose("asthma"), NEEDED))
    (message,) = house.webhook.taken
    assert message["state"] == "open"
    assert message["purposes"] == {
        "asthma": {"state": "open", "checks": []},
        "fabry": {"state": "closed", "checks": ["measurement.unit_is_known"]},
    }
    assert message["checks"] == [
        {"check": "measurement.unit_is_known", "severity": None, "status": "not_run"}
    ]


def test_an_open_release_is_told_to_nobody(house: House) -> None:
    house.site.seal(passed())
    with house.webhook.up():
        assert not house.tell().attempted
    assert house.webhook.taken == []


def test_a_broken_build_a_damaged_seal_and_wrong_waivers_are_told(house: House) -> None:
    made = Provenance("r")
    seal_broken(house.site.paths, "read", "DeliveryError", made, sealed_at=NOON, transformation="t")
    damaged = house.site.seal(passed(), run_id="run-2")
    (damaged.folder / "seals" / "000002.json").write_text("{}")
    house.site.build("delete from omop.person where year_of_birth = 1960")
    house.site.seal(passed(), run_id="run-3")
    waiver = 'check = "x.y"\nlimit = 0.1\nresponsible = "r"\nreason = "r"\nuntil = 2026-12-31\n'
    waivers = house.site.home.parent / "network" / "tiny.waivers.toml"
    waivers.write_text(f"[[waivers]]\n{waiver}")
    house.progress = Progress(0)
    with house.webhook.up():
        for _ in range(4):
            house.tell()
    broken, second, third = house.webhook.taken
    assert (broken["state"], broken["broken_step"], broken["checks"]) == ("closed", "read", [])
    assert (second["state"], second["problem"]) == ("closed", "ReleaseError")
    assert (third["state"], third["problem"]) == ("closed", "ConfigError")


def test_a_dead_webhook_delays_the_message_and_does_not_lose_it(house: House) -> None:
    """Down, then an error, then slow, then well: told in the order of the seals."""
    house.site.seal(passed(), failed(CHECK))
    house.progress = Progress(0)
    waits = []
    for number, state in enumerate(["down", 500, 302, "slow"], start=1):
        told = answer(house, state)
        assert told.failed, state
        assert told.progress.failures == number
        assert TOKEN not in told.said
        assert told.progress.due is not None
        waits.append((told.progress.due - house.now) / timedelta(minutes=1))
        # Not before it is due.
        assert not house.tell().attempted
        house.now = told.progress.due
        house.site.seal(passed(), failed(CHECK), run_id=f"run-{number + 1}")
    assert waits == [1, 2, 4, 8]

    house.webhook.taken.clear()
    house.webhook.status, house.webhook.delay = 200, 0
    with house.webhook.up():
        while house.tell().attempted:
            pass
    assert [message["seal"] for message in house.webhook.taken] == [1, 2, 3, 4, 5]
    assert house.progress == Progress(5)


def answer(house: House, state: str | int) -> Told:
    """One attempt at a webhook in that state."""
    if state == "down":
        return house.tell()
    house.webhook.status = state if isinstance(state, int) else 200
    house.webhook.delay = 1.5 if state == "slow" else 0
    with house.webhook.up():
        return house.tell()


def test_a_message_that_may_have_been_taken_comes_again_under_the_same_id(house: House) -> None:
    house.site.seal(passed(), failed(CHECK))
    assert "was not reached (ReadTimeout)" in answer(house, "slow").said
    assert house.progress is not None
    assert house.progress.due is not None
    house.now = house.progress.due
    house.webhook.delay = 0
    with house.webhook.up():
        house.tell()
    assert [message["id"] for message in house.webhook.taken] == ["tiny/1", "tiny/1"]


def test_the_longest_wait_is_an_hour() -> None:
    assert Progress(0, failures=500).failed(NOON).due == NOON + timedelta(hours=1)


def test_the_past_is_not_told_when_alerts_begin(house: House) -> None:
    for number in range(3):
        house.site.seal(passed(), failed(CHECK), run_id=f"run-{number}")
    with house.webhook.up():
        while house.tell().attempted:
            pass
    assert [message["seal"] for message in house.webhook.taken] == [3]


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        (f"http://hooks.example/{TOKEN}", "address must begin with https://"),
        (f"ftp://127.0.0.1/{TOKEN}", "address must begin with https://"),
        (f"https://[{TOKEN}", "address must begin with https://"),
        ("", "the variable ALERTS_WEBHOOK is not set"),
    ],
)
def test_an_address_that_is_not_safe_or_not_there_is_refused_without_showing_it(
    house: House, monkeypatch: pytest.MonkeyPatch, url: str, problem: str
) -> None:
    monkeypatch.setenv("ALERTS_WEBHOOK", url)
    house.site.seal(passed(), failed(CHECK))
    told = house.tell()
    assert told.failed
    assert problem in told.said
    assert TOKEN not in told.said


def test_the_address_may_stand_in_a_file_that_only_its_owner_reads(house: House) -> None:
    network = house.site.home.parent / "network"
    text = SITE.replace('webhook_env = "ALERTS_WEBHOOK"', 'webhook_file = "webhook"')
    (network / "tiny.toml").write_text(text)
    (network / "webhook").write_text(house.webhook.url + "\n")
    (network / "webhook").chmod(0o644)
    house.site.seal(passed(), failed(CHECK))
    assert "can be read by others" in house.tell().said
    (network / "webhook").chmod(0o600)
    house.now += timedelta(hours=1)
    with house.webhook.up():
        assert not house.tell().failed
    assert len(house.webhook.taken) == 1


def test_no_webhook_is_no_sensor(house: House) -> None:
    names = [each.name for each in automation(house.config, partitions(house.config)).sensors]
    assert "tiny_alerts" in names
    (house.site.home.parent / "network" / "tiny.toml").write_text(SITE.partition("[alerts]")[0])
    names = [each.name for each in automation(house.config, partitions(house.config)).sensors]
    assert "tiny_alerts" not in names


def test_the_sensor_says_in_its_tick_and_on_the_release_what_became_of_a_message(
    house: House,
) -> None:
    house.site.seal(passed(), failed(CHECK))
    (sensor,) = alerts.sensors(house.config, house.site.paths)
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    with dg.DagsterInstance.ephemeral() as instance:
        dead = tick(sensor, instance, None)
        assert "was not reached (ConnectionError)" in str(dead.skip_message)
        assert observed(dead) == ["failed"]
        waiting = tick(sensor, instance, dead.cursor)
        assert "1 attempts to tell seal 1 or later have failed; the next at 20" in str(
            waiting.skip_message
        )
        assert observed(waiting) == []
        with house.webhook.up():
            due = Progress.from_text(dead.cursor or "").due
            assert due is not None
            assert due > datetime.now(UTC)
            ready = Progress(told=0, failures=1, due=datetime.now(UTC)).to_text()
            told = tick(sensor, instance, ready)
            assert observed(told) == ["delivered"]
            assert observed(tick(sensor, instance, told.cursor)) == []
    (message,) = house.webhook.taken
    assert set(message["purposes"]) == {task.name for task in TASKS}


def tick(sensor: dg.SensorDefinition, instance: dg.DagsterInstance, cursor: str | None) -> Any:
    """Evaluate the sensor as the daemon does."""
    with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
        return sensor.evaluate_tick(context)


def observed(tick: Any) -> list[str]:
    return [str(event.metadata["alert"].value) for event in tick.asset_events]
