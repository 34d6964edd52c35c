"""A network of four tiny hospitals over Flower on this machine, started once for all tests."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
import pytest

from orchestration.flower.places import HubPlaces
from orchestration.flower.programs import Program, read_programs
from pumasi.config.environment import NO_TELEMETRY
from tests.flower.hospitals import Hospitals


@dataclass
class Cluster:
    """The hospitals, where the hub keeps its things, and the environment of both."""

    hospitals: Hospitals
    places: HubPlaces
    port: int

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PUMASI_HOME": str(self.hospitals.home),
            "PUMASI_NETWORK": str(self.hospitals.network),
        }

    def pumasi(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What the command says; everything else of it is as in a shell."""
        return subprocess.run(
            [sys.executable, "-c", "from pumasi.cli import main; main()", *arguments],
            env={**os.environ, **NO_TELEMETRY, **self.environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )

    def programs(self) -> dict[str, Program]:
        return {each.name: each for each in read_programs(self.places.programs)}

    def family(self) -> list[psutil.Process]:
        """Every process of the network."""
        found = [process for each in self.programs().values() if (process := each.process())]
        return [*found, *(child for each in found for child in each.children(recursive=True))]


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("flower")
    (folder / "home").mkdir()
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


def is_gone(process: psutil.Process) -> bool:
    """Whether it has ended, be it that whoever started it has not asked for its code yet."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def listeners(process: psutil.Process) -> list[psutil._common.pconn]:  # type: ignore[name-defined]
    return [each for each in process.net_connections("tcp") if each.status == "LISTEN"]


@pytest.fixture
def cluster(running: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """The network, with this test's environment set to it."""
    for variable, value in running.environment.items():
        monkeypatch.setenv(variable, value)
    return running
