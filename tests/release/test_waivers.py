"""Opening with a waiver: until its last day, written down each time, and carried by the release."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pumasi import audit
from pumasi.errors import AuditError, ConfigError, GateClosedError
from pumasi.quality import Purpose
from pumasi.release import Release, ask_gate, open_release
from tests.release.tiny import NOON, TinySite, failed, passed

TRAINING = Purpose("training")
CHECK = "person.birth_year_is_plausible"
UNTIL = "2026-03-31"
LAST_SECOND = datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC)
WAIVER = f"""
[[waivers]]
check = "{CHECK}"
limit = 0.25
responsible = "head of the data office"
reason = "Mended in the next export."
until = {UNTIL}
"""


@pytest.fixture
def network(site: TinySite) -> Path:
    """A network folder with a waiver of the check that fails by 9 of 40."""
    folder = site.home / "network"
    folder.mkdir()
    (folder / "tiny.waivers.toml").write_text(WAIVER)
    site.seal(passed(), failed(CHECK))
    return folder


def opened(site: TinySite, network: Path, at: datetime = LAST_SECOND) -> Release:
    return open_release("tiny", TRAINING, at, site.home, network)


def log(site: TinySite) -> list[dict[str, object]]:
    return [json.loads(line) for line in site.paths.audit_log.read_text().splitlines()]


def test_a_failing_check_with_a_waiver_opens_the_gate_until_the_end_date_and_not_a_day_longer(
    site: TinySite, network: Path
) -> None:
    with pytest.raises(GateClosedError, match=CHECK):
        opened(site, site.home / "no network", NOON)
    assert opened(site, network, NOON).seal.number == 1
    assert opened(site, network, LAST_SECOND).seal.number == 1
    with pytest.raises(GateClosedError, match=r"\(22\.50%\).*; its waiver ended on 2026-03-31"):
        opened(site, network, LAST_SECOND + timedelta(seconds=1))


def test_the_day_ends_by_the_clock_of_the_hospital(site: TinySite, network: Path) -> None:
    (network / "tiny.waivers.toml").write_text(f'timezone = "Asia/Seoul"\n{WAIVER}')
    midnight = datetime(2026, 3, 31, 15, tzinfo=UTC)
    opened(site, network, midnight - timedelta(seconds=1))
    with pytest.raises(GateClosedError, match="its waiver ended"):
        opened(site, network, midnight)


def test_every_use_is_a_line_of_the_audit_log(site: TinySite, network: Path) -> None:
    release = opened(site, network, NOON)
    opened(site, network)
    first, second = log(site)
    assert first == {
        "number": 1,
        "previous": "0" * 64,
        "time": "2026-03-01T12:00:00+00:00",
        "event": "waiver used",
        "check": CHECK,
        "limit": 0.25,
        "responsible": "head of the data office",
        "reason": "Mended in the next export.",
        "until": UNTIL,
        "share": 0.225,
        "purpose": "training",
        "release": release.id,
        "seal": 1,
    }
    assert second["time"] == "2026-03-31T23:59:59+00:00"
    assert stat.S_IMODE(site.paths.audit_log.stat().st_mode) == 0o600


def test_the_opened_release_carries_the_waivers_that_opened_it(
    site: TinySite, network: Path
) -> None:
    (use,) = opened(site, network).waived
    assert str(use) == (
        f"{CHECK} up to 25.00% until 2026-03-31, head of the data office: Mended in the next "
        "export."
    )


def test_what_is_open_without_a_waiver_writes_nothing_down(site: TinySite, network: Path) -> None:
    site.seal(passed(), passed(CHECK), run_id="run-2")
    assert opened(site, network).waived == ()
    assert not site.paths.audit_log.exists()


def test_asking_is_no_use_and_neither_is_being_refused(site: TinySite, network: Path) -> None:
    release = site.seal(passed(), failed(CHECK), failed("death.worse"), run_id="run-2")
    verdict = ask_gate("tiny", release, None, NOON, network)
    assert (verdict.checks, len(verdict.waived)) == (("death.worse",), 1)
    with pytest.raises(GateClosedError, match=r"death\.worse"):
        opened(site, network)
    assert not site.paths.audit_log.exists()


def test_a_use_that_can_t_be_written_down_opens_nothing(site: TinySite, network: Path) -> None:
    site.paths.audit_log.mkdir()
    with pytest.raises(AuditError, match=r"site tiny: audit\.log can't be written \(IsADirectory"):
        opened(site, network)


def test_a_waiver_of_a_check_that_does_not_exist_opens_nothing(
    site: TinySite, network: Path
) -> None:
    (network / "tiny.waivers.toml").write_text(
        WAIVER.replace(CHECK, "person.birth_year_is_plausibl")
    )
    with pytest.raises(ConfigError, match=f"near it: {CHECK}"):
        opened(site, network)


def test_a_line_that_the_disk_cut_off_does_not_take_in_the_next(site: TinySite) -> None:
    audit.append(site.paths, NOON, "first", {})
    with site.paths.audit_log.open("ab") as stream:
        stream.write(b'{"time": "20')
    audit.append(site.paths, NOON, "second", {})
    lines = site.paths.audit_log.read_text().splitlines()
    assert len(lines) == 3
    assert [json.loads(lines[n])["event"] for n in (0, 2)] == ["first", "second"]
