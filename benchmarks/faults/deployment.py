"""The network that faults are put into: its processes, what is left of a run, and mending it."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

import orchestration.flower
from benchmarks.faults.wires import Link
from orchestration.flower.enrol import load_peers
from orchestration.flower.one_machine import (
    NODE,
    PROCESS,
    SUPERLINK,
    await_superlink,
    down,
    enrol_here,
    start_node,
    start_process,
    start_superlink,
    up,
)
from orchestration.flower.places import HubPlaces
from orchestration.flower.programs import HERE, end, unused_port
from orchestration.flower.superlink import online, read_nodes, register
from pumasi.config import load_hub
from tests.flower.cluster import Cluster, in_place_of, wait, wait_until_free
from tests.flower.hospitals import NAMES, Hospitals

# What runs for one run: the relay's server at the hub, the relay at a hospital.
# Seconds that a program has to end that was told to.
ENDING = 30.0
NODE_PROGRAMS = str(Path(orchestration.flower.__file__).parent / "node")
RUN, RELAY = "flwr-serverapp", "flwr-clientapp"


@dataclass
class Deployment:
    """A network of hospitals.

    Args:
        cluster: the network.
        links: to nodes, where a fault needs one.
        told_to_end: programs that may take a few seconds for it.
    """

    cluster: Cluster
    links: dict[str, Link] = field(default_factory=dict)
    told_to_end: list[psutil.Process] = field(default_factory=list)

    def process(self, name: str) -> psutil.Process:
        """The process of a program that was started here."""
        found = self.cluster.programs()[name].process()
        if found is None:
            raise LookupError(f"{name} has ended")
        return found

    def of_run(self, what: str, hospital: str = "") -> list[psutil.Process]:
        """The processes that run for a run, at the hub or at one hospital."""
        home = self.cluster.places.flower
        if hospital:
            home = self.cluster.hospitals.paths(hospital).relay / "flower"
        return [each for each in self._ours() if what in command(each) and _home(each) == home]

    def end_what_ended_programs_left(self) -> None:
        """Do what a service manager does when the main process of a service has ended."""
        end([each for each in self.cluster.programs().values() if not each.runs], patience=5)

    def left(self, *, run_is_open: bool) -> list[psutil.Process]:
        """Processes that nobody needs any more: of runs, and those whose program has ended."""
        of_runs = (RELAY,) if run_is_open else (RELAY, RUN)
        family = {each.pid for each in self.cluster.family()}
        return [
            each
            for each in self._ours()
            if each.pid not in family or any(name in command(each) for name in of_runs)
        ]

    def _ours(self) -> list[psutil.Process]:
        """Flower's programs and answering processes of this network, whoever started them."""
        top = self.cluster.hospitals.home
        found = []
        for each in psutil.process_iter():
            line = command(each)
            known = _is_of_flower(line) or ("site answer" in line and "pumasi.cli" in line)
            at = _home(each) if known and "bin/flwr " not in line else None
            if at is not None and at.is_relative_to(top):
                found.append(each)
        return found

    def link(self, hospital: str) -> Link:
        """The link of a hospital's node, which is started anew behind one if it has none."""
        if hospital not in self.links:
            self.links[hospital] = Link(f"{HERE}:{self.cluster.port}")
            end([self.cluster.programs()[NODE + hospital]])
            self._start_node(hospital)
            self._await(hospital)
        return self.links[hospital]

    def mend(self) -> bool:
        """Start again what has ended and wait until all are connected; whether anything had."""
        psutil.wait_procs(self.told_to_end, ENDING)
        self.told_to_end.clear()
        ended = {each.name for each in self.cluster.programs().values() if not each.runs}
        if not ended:
            return False
        if SUPERLINK in ended:
            # It has forgotten its nodes; those that are left know it under an old number.
            ended |= {NODE + name for name in self.cluster.hospitals.names}
            self._restart_superlink()
        for name in self.cluster.hospitals.names:
            if PROCESS + name in ended:
                self._start_process(name)
            if NODE + name in ended:
                self._start_node(name)
        self._await(*self.cluster.hospitals.names)
        return True

    def _restart_superlink(self) -> None:
        places, programs = self.cluster.places, self.cluster.programs()
        end([programs[NODE + name] for name in self.cluster.hospitals.names])
        control = f"{HERE}:{unused_port()}"
        superlink = start_superlink(places, f"{HERE}:{self.cluster.port}", control)
        in_place_of(self.cluster, superlink)
        await_superlink(places, control, [superlink])
        register(places, load_peers(places))

    def _start_node(self, name: str) -> None:
        places = self.cluster.places
        wait_until_free(self.cluster, name)
        address = f"{HERE}:{self.cluster.port}"
        if name in self.links:
            address = self.links[name].address
        paths = self.cluster.hospitals.paths(name)
        in_place_of(self.cluster, start_node(paths, address, places.logs / f"{name}.node.log"))

    def _start_process(self, name: str) -> None:
        paths = self.cluster.hospitals.paths(name)
        process = start_process(paths, self.cluster.places.logs)
        in_place_of(self.cluster, process)
        wait(lambda: _answers(paths.socket), 60)

    def _await(self, *names: str) -> None:
        numbers = read_nodes(self.cluster.places)

        def connected() -> bool:
            found = online(self.cluster.places)
            return all(found.get(numbers[name], False) for name in names)

        wait(connected, 150)

    def close(self) -> None:
        """Let every node reach the hub without a link again."""
        for name in list(self.links):
            self.links.pop(name).close()
            end([self.cluster.programs()[NODE + name]])
            self._start_node(name)
        self._await(*self.cluster.hospitals.names)


def _is_of_flower(line: str) -> bool:
    """Whether it is a program of Flower, or one that a hospital's node runs in its place."""
    return "bin/fl" in line or f"{NODE_PROGRAMS}/fl" in line


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def command(process: psutil.Process) -> str:
    """The command line of a process; nothing if it has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _home(process: psutil.Process) -> Path | None:
    """Where a program of the network keeps its things, as it was told."""
    try:
        told = process.environ()
    except psutil.Error:
        return None
    found = told.get("FLWR_HOME") or told.get("PUMASI_HOME")
    return Path(found) if found else None


@contextmanager
def deployed(say: Callable[[str], None]) -> Iterator[Cluster]:
    """A network of tiny hospitals of its own, and nothing of it afterwards."""
    with tempfile.TemporaryDirectory(prefix="pumasi-faults-") as folder:
        home, network = Path(folder) / "home", Path(folder) / "network"
        home.mkdir(mode=0o700)
        os.environ |= {"PUMASI_HOME": str(home), "PUMASI_NETWORK": str(network)}
        port = unused_port()
        cluster = Cluster(Hospitals(home, network, port), HubPlaces.of_home(), port)
        config = load_hub()
        assert config is not None  # noqa: S101 - the hospitals wrote hub.toml
        enrol_here(cluster.places, config, NAMES)
        up(cluster.places, config, NAMES, say)
        try:
            yield cluster
        finally:
            down(cluster.places)
