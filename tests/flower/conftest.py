"""A network of four tiny hospitals over Flower on this machine, started once for all tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from orchestration.flower.one_machine import NODE, PROCESS, start_hospital
from orchestration.flower.places import HubPlaces
from orchestration.flower.programs import Program, end, read_programs, write_programs
from orchestration.flower.superlink import online, read_nodes
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


def is_gone(process: psutil.Process) -> bool:
    """Whether it has ended, be it that whoever started it has not asked for its code yet."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def listeners(process: psutil.Process) -> list[psutil._common.pconn]:  # type: ignore[name-defined]
    return [each for each in process.net_connections("tcp") if each.status == "LISTEN"]


def wait(ready: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < until
        time.sleep(0.2)


def in_place_of(cluster: Cluster, *programs: Program) -> None:
    """Let the file of programs name these instead of those of the same name."""
    known = {each.name: each for each in read_programs(cluster.places.programs)}
    write_programs(
        cluster.places.programs, list({**known, **{each.name: each for each in programs}}.values())
    )


def revive(cluster: Cluster, name: str) -> None:
    """Start a hospital's node and process again, whichever has ended."""
    end([cluster.programs()[each + name] for each in (NODE, PROCESS)])
    paths = cluster.hospitals.paths(name)
    number = read_nodes(cluster.places)[name]
    # The SuperLink takes a killed node for connected for up to a minute, and refuses its successor
    # meanwhile, which then ends: what is connected must be the new one.
    wait(lambda: not online(cluster.places)[number], 150)
    programs = start_hospital(paths, f"127.0.0.1:{cluster.port}", cluster.places.logs)
    in_place_of(cluster, *programs)
    wait(lambda: paths.socket.exists() and online(cluster.places)[number], 150)


@pytest.fixture
def cluster(running: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """The network, with this test's environment set to it."""
    for variable, value in running.environment.items():
        monkeypatch.setenv(variable, value)
    return running
