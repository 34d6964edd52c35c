"""A network of tiny hospitals over Flower on this machine, as tests and benchmarks handle it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

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
        return [*found, *(child for each in found for child in children(each))]


def children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


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
    wait_until_free(cluster, name)
    programs = start_hospital(paths, f"127.0.0.1:{cluster.port}", cluster.places.logs)
    in_place_of(cluster, *programs)
    number = read_nodes(cluster.places)[name]
    wait(lambda: paths.socket.exists() and online(cluster.places)[number], 150)


def wait_until_free(cluster: Cluster, name: str) -> None:
    """Wait until the SuperLink takes a new node of this hospital.

    It takes a killed node for connected for up to a minute, and refuses its successor meanwhile,
    which then ends: what is connected after that must be the new one.
    """
    number = read_nodes(cluster.places)[name]
    wait(lambda: not online(cluster.places)[number], 150)
