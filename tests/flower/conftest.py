"""A network of four tiny hospitals over Flower on this machine, started once for all tests."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from orchestration.flower.places import HubPlaces
from orchestration.flower.programs import unused_port
from tests.flower.cluster import Cluster, is_gone, listeners
from tests.flower.hospitals import Hospitals


@pytest.fixture(scope="session")
def running() -> Iterator[Cluster]:
    # Not below pytest's own folder, which no other user may enter: here PUMASI_HOME alone bars.
    folder = Path(tempfile.mkdtemp(prefix="pumasi-flower-"))
    folder.chmod(0o755)
    (folder / "home").mkdir(mode=0o700)
    port = unused_port()
    hospitals = Hospitals(folder / "home", folder / "network", port)
    cluster = Cluster(hospitals, HubPlaces(folder / "home" / "hub" / "network"), port)
    for command in ("enrol", "up"):
        done = cluster.pumasi("network", command)
        assert done.returncode == 0, done.stdout + done.stderr
    family = cluster.family()
    listening = {each.laddr.port for process in family for each in listeners(process)}
    assert port in listening
    yield cluster
    family = list({process.pid: process for process in (*family, *cluster.family())}.values())
    done = cluster.pumasi("network", "down")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [process for process in family if not is_gone(process)] == []
    left = {each.laddr.port for each in psutil.net_connections("tcp") if each.status == "LISTEN"}
    assert left & listening == set()
    shutil.rmtree(folder)


@pytest.fixture
def cluster(running: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """The network, with this test's environment set to it."""
    for variable, value in running.environment.items():
        monkeypatch.setenv(variable, value)
    return running
