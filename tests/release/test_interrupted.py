"""Killed at any moment, or with a full disk: the old state or the new one; again finishes."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from pumasi.errors import ReleaseError
from pumasi.release import latest_release, read_candidate, verify_release
from tests.release.tiny import TinySite
from tests.scripts import run_script

# Ends itself by SIGKILL at the n-th call of the function that is named.
KILLED = """
import os, signal, sys
from pathlib import Path
from tests.release.tiny import TinySite
home, step, function, n = sys.argv[1:]
real, calls = getattr(os, function), 0
def counting(*arguments, **named):
    global calls
    calls += 1
    if calls == int(n):
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments, **named)
setattr(os, function, counting)
getattr(TinySite.at(Path(home)), step)(run_id="run-2")
"""
# A file can't grow beyond the limit: what a full disk does, as an ordinary user can cause it.
FULL_DISK = """
import resource, sys
from pathlib import Path
from pumasi.errors import ReleaseError
from tests.release.tiny import TinySite
home, step, limit = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
try:
    getattr(TinySite.at(Path(home)), step)(run_id="run-2")
except ReleaseError as error:
    sys.exit(str(error))
"""


@pytest.mark.parametrize(
    ("function", "call"),
    [("replace", 1), ("replace", 2), ("replace", 3), ("rename", 1), ("link", 2), ("fsync", 5)],
)
def test_killed_while_sealing(site: TinySite, function: str, call: int) -> None:
    old = site.seal(run_id="run-1")
    site.build("delete from omop.person where year_of_birth < 1960")
    site.write("run-2")

    killed = run_script(KILLED, site.home, "seal_written", function, call)

    assert killed.returncode == -signal.SIGKILL
    found = latest_release(site.paths)
    assert found is not None
    assert found == old or found.manifest.tables["person"].rows == 30
    assert verify_release(site.paths, found.id) == found
    assert verify_release(site.paths, old.id) == old

    again = site.seal_written(run_id="run-2")

    assert again == latest_release(site.paths)
    assert again.id != old.id
    assert verify_release(site.paths, again.id) == again
    assert {path.name for path in site.paths.releases.iterdir()} == {
        ".lock",
        "latest.json",
        old.id,
        again.id,
    }
    assert list(site.paths.releases.glob("*/seals/.*")) == []


@pytest.mark.parametrize(("function", "call"), [("replace", 1), ("rename", 1), ("rename", 2)])
def test_killed_while_writing_the_candidate(site: TinySite, function: str, call: int) -> None:
    site.write("run-1")

    killed = run_script(KILLED, site.home, "write", function, call)

    assert killed.returncode == -signal.SIGKILL
    if call == 2:  # between the two renames of the swap there is none, and none is sealed
        with pytest.raises(ReleaseError, match="no complete candidate"):
            read_candidate(site.paths)
    else:
        assert read_candidate(site.paths).run_id == "run-1"
    site.write("run-3")
    assert read_candidate(site.paths).run_id == "run-3"
    assert [path.name for path in site.paths.root.glob(".candidate*")] == []


def test_a_full_disk_while_writing_the_candidate(site: TinySite) -> None:
    site.write("run-1")
    before = {path.name: path.read_bytes() for path in site.paths.candidate.iterdir()}

    full = run_script(FULL_DISK, site.home, "write", 400)

    assert full.returncode == 1
    assert "the candidate can't be written (" in full.stderr
    assert "the one before is as it was. Make room on the disk" in full.stderr
    assert {path.name: path.read_bytes() for path in site.paths.candidate.iterdir()} == before
    site.write("run-2")
    assert read_candidate(site.paths).run_id == "run-2"


@pytest.mark.parametrize("limit", [100, 1500])
def test_a_full_disk_while_sealing(site: TinySite, limit: int) -> None:
    old = site.seal(run_id="run-1")
    site.build("delete from omop.person where year_of_birth < 1960")
    site.write("run-2")

    full = run_script(FULL_DISK, site.home, "seal_written", limit)

    assert full.returncode == 1
    assert full.stderr.startswith(
        "the release can't be written (File too large); releases sealed before are as they were. "
        "Make room on the disk, then seal again"
    )
    assert latest_release(site.paths) == old
    assert verify_release(site.paths, old.id) == old
    assert site.seal_written(run_id="run-2").seal.number == 2


def test_the_limits_above_stop_the_manifest_and_the_seal(site: TinySite) -> None:
    """The two cases of the full disk are two places: the manifest, and later the seal."""
    release = site.seal()
    manifest = (release.folder / "manifest.json").stat().st_size
    seal = (release.folder / "seals" / "000001.json").stat().st_size

    assert 100 < manifest < 1500 < seal


def test_home_of_the_site_is_the_only_place_that_is_written(tmp_path: Path) -> None:
    site = TinySite(tmp_path / "home")
    site.seal()

    assert [path.name for path in tmp_path.iterdir()] == ["home"]
