"""A whole network on one machine: the hub's SuperLink, and per hospital a node and its own process.

For trying out and for tests. Real hospitals each run the node and the process by themselves, under
two users (docs/deployment.md); here all is one user, so the border between them is not there.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from orchestration.flower.enrol import add_hospitals, hub_public_key, load_peers
from orchestration.flower.places import HubPlaces, flower_environment, relay_environment
from orchestration.flower.programs import (
    HERE,
    Program,
    end,
    is_free,
    listens,
    read_programs,
    start,
    unused_port,
    write_programs,
)
from orchestration.flower.superlink import connect, online, read_nodes, register
from pumasi.answer.enrolment import CERTIFICATE, NODE_KEY, accept_peers, make_card, read_peers
from pumasi.config import HubConfig, SitePaths
from pumasi.config.environment import program_environment
from pumasi.errors import FederationError
from pumasi.federation.peers import Peers

SUPERLINK, NODE, PROCESS = "superlink", "node of ", "process of "
# Seconds until a program that was started must answer; ten are usual on two idle cores.
START_SECONDS = 180.0
NO_BORDER = (
    "All of it runs as one user on one machine: what Flower ships could read what a hospital "
    "holds. Real hospitals run node and process under two users: docs/deployment.md"
)

Say = Callable[[str], None]


def enrol_here(places: HubPlaces, config: HubConfig, sites: Sequence[str]) -> Peers:
    """Enrol hospitals that are on the hub's own machine: their part, its part, theirs again."""
    paths = [SitePaths.of(site) for site in sites]
    peers = add_hospitals(places, config, [make_card(each) for each in paths])
    for each in paths:
        accept_peers(each, places.peers.read_text(), hub_public_key(places))
    return peers


def up(places: HubPlaces, config: HubConfig, sites: Sequence[str], say: Say) -> None:
    """Start the SuperLink, and a node and a process per hospital; wait until all are connected.

    Raises:
        FederationError: a network is up already, or a program did not start; nothing runs then.
        EnrolmentError: a hospital is not enrolled.
    """
    if any(each.runs for each in read_programs(places.programs)):
        raise FederationError("a network is up already: `pumasi network down` ends it")
    peers = load_peers(places)
    for site in sites:
        read_peers(SitePaths.of(site))
    programs: list[Program] = []
    try:
        fleet, control = f"{HERE}:{config.port}", f"{HERE}:{unused_port()}"
        say("starting the SuperLink")
        programs.append(start_superlink(places, fleet, control))
        # At once, so that `down` ends it should this process be killed.
        write_programs(places.programs, programs)
        await_superlink(places, control, programs)
        register(places, peers)
        for site in sites:
            programs += start_hospital(SitePaths.of(site), fleet, places.logs)
            write_programs(places.programs, programs)
        _wait_until_online(places, sites, programs)
    except BaseException:
        end(programs)
        places.programs.unlink(missing_ok=True)
        raise
    say(f"{len(sites)} hospitals are connected: {', '.join(sites)}")
    say(NO_BORDER)


def down(places: HubPlaces) -> list[str]:
    """End what `up` started, wait for it, and return the names of what ran."""
    programs = read_programs(places.programs)
    running = [each.name for each in programs if each.runs]
    # The nodes first: they say good-bye to the SuperLink.
    end([each for each in programs if each.name != SUPERLINK])
    end([each for each in programs if each.name == SUPERLINK])
    places.programs.unlink(missing_ok=True)
    return running


@dataclass(frozen=True)
class State:
    """A program of the network, and whether it is up; of a node also whether it is connected."""

    name: str
    pid: int
    runs: bool
    connected: bool | None = None


def status(places: HubPlaces) -> list[State]:
    """Every program that `up` started."""
    programs = read_programs(places.programs)
    nodes = read_nodes(places)
    runs = {each.name: each.runs for each in programs}
    connected = online(places) if runs.get(SUPERLINK) else {}
    return [
        State(
            each.name,
            each.pid,
            each.runs,
            connected.get(nodes[site], False) if (site := _site_of(each)) in nodes else None,
        )
        for each in programs
    ]


def _site_of(program: Program) -> str:
    return program.name.removeprefix(NODE) if program.name.startswith(NODE) else ""


def start_superlink(places: HubPlaces, fleet: str, control: str) -> Program:
    """Start the SuperLink; every address is on this machine.

    Args:
        places: of the hub.
        fleet: host and port for the nodes.
        control: host and port for orders.

    Raises:
        FederationError: somebody listens there already.
    """
    if not is_free(fleet):
        raise FederationError(
            f"{fleet} is in use: end what listens there, or write another `port` in hub.toml and "
            "enrol again"
        )
    command = [
        *("flower-superlink", "--enable-supernode-auth", "--isolation", "subprocess"),
        *("--ssl-certfile", str(places.server), "--ssl-keyfile", str(places.server_key)),
        *("--ssl-ca-certfile", str(places.authority)),
        *("--fleet-api-address", fleet, "--control-api-address", control),
        *("--serverappio-api-address", f"{HERE}:{unused_port()}"),
        "--disable-runtime-dependency-installation",
    ]
    log = places.logs / "superlink.log"
    return start(SUPERLINK, command, flower_environment(places.flower), log)


def await_superlink(places: HubPlaces, control: str, programs: Sequence[Program] = ()) -> None:
    """Let the hub speak to the SuperLink at this address, and wait until it takes orders.

    Raises:
        FederationError: it takes none.
    """
    connect(places, control)
    _wait(lambda: listens(control), programs, f"no SuperLink takes orders at {control}")


def start_hospital(paths: SitePaths, fleet: str, logs: Path) -> list[Program]:
    """Start a hospital's own process and its node."""
    node_log = logs / f"{paths.root.name}.node.log"
    return [start_process(paths, logs), start_node(paths, fleet, node_log)]


def start_process(paths: SitePaths, logs: Path) -> Program:
    """Start a hospital's own process."""
    site = paths.root.name
    answer = [sys.executable, "-c", "from pumasi.cli import main; main()"]
    answer += ["site", "answer", "--site", site]
    return start(PROCESS + site, answer, program_environment(), logs / f"{site}.process.log")


def start_node(paths: SitePaths, fleet: str, log: Path) -> Program:
    """Start a hospital's node."""
    command = node_command(paths.relay, paths.socket, fleet)
    # A folder of its own each: two nodes that unpack the relay into one disturb each other.
    environment = relay_environment(paths.relay / "flower")
    return start(NODE + paths.root.name, command, environment, log)


def node_command(relay: Path, socket: Path, fleet: str) -> list[str]:
    """A node that reaches out to the hub and listens to this machine only.

    Args:
        relay: folder with the node's key and the hub's certificate.
        socket: where the hospital's own process answers.
        fleet: host and port of the hub.
    """
    return [
        *("flower-supernode", "--superlink", fleet),
        *("--root-certificates", str(relay / CERTIFICATE)),
        *("--auth-supernode-private-key", str(relay / NODE_KEY)),
        *("--clientappio-api-address", f"{HERE}:{unused_port()}"),
        *("--node-config", f'socket="{socket}"'),
    ]


def _wait_until_online(
    places: HubPlaces, sites: Sequence[str], programs: Sequence[Program]
) -> None:
    numbers = read_nodes(places)

    def connected() -> bool:
        found = online(places)
        return all(found.get(numbers[site], False) for site in sites) and all(
            SitePaths.of(site).socket.exists() for site in sites
        )

    _wait(connected, programs, "not every hospital connected")


def _wait(ready: Callable[[], bool], programs: Sequence[Program], problem: str) -> None:
    """Wait until it is so.

    Raises:
        FederationError: a program ended, or it takes too long; with the end of its log.
    """
    until = time.monotonic() + START_SECONDS
    while not ready():
        for each in programs:
            if not each.runs:
                raise FederationError(f"{each.name} ended:\n{each.last_lines()}\nsee {each.log}")
        if time.monotonic() > until:
            logs = "".join(f"\nsee {each.log}" for each in programs)
            raise FederationError(f"{problem} within {START_SECONDS:.0f} s{logs}")
        time.sleep(0.3)


def memory(programs: Sequence[Program]) -> int:
    """Bytes that the programs and their children have, shared pages divided among the sharers."""
    found = [process for each in programs if (process := each.process())]
    family = {child.pid: child for each in found for child in each.children(recursive=True)}
    family |= {each.pid: each for each in found}
    return sum(_pss(each) for each in family.values())


def _pss(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.NoSuchProcess:
        return 0
