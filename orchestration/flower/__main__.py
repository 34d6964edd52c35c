"""Runs the network from the command line: `python -m orchestration.flower up`.

`pumasi network …` starts this program, which alone knows Flower.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from orchestration.flower.enrol import add_hospitals, hub_public_key, load_peers
from orchestration.flower.one_machine import await_superlink, down, enrol_here, status, up
from orchestration.flower.places import HubPlaces
from orchestration.flower.superlink import register
from orchestration.processes import INTERRUPTED
from pumasi.config import HubConfig, load_hub, load_network
from pumasi.errors import ConfigError, PumasiError
from pumasi.federation.peers import Peer, Peers


def main(arguments: Sequence[str]) -> int:
    """Run one command and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m orchestration.flower")
    parser.add_argument("command", choices=("enrol", "up", "status", "down", "register"))
    parser.add_argument("--card", type=Path, action="append", default=[])
    parser.add_argument("--control", default="")
    said = parser.parse_args(arguments)
    try:
        return _run(said.command, said.card, said.control)
    except PumasiError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    except KeyboardInterrupt:
        # `up` has ended what it started.
        return INTERRUPTED


def _run(command: str, cards: Sequence[Path], control: str) -> int:
    places = HubPlaces.of_home()
    if command == "enrol" and cards:
        peers = add_hospitals(places, _hub(), [Peer.from_file(card) for card in cards])
        _print_list(places, peers)
    elif command == "enrol":
        _print_list(places, enrol_here(places, _hub(), tuple(load_network(resolve=False))))
    elif command == "up":
        up(places, _hub(), tuple(load_network(resolve=False)), _say)
    elif command == "register":
        await_superlink(places, control)
        for name, number in register(places, load_peers(places)).items():
            _say(f"{name}: node {number}")
    elif command == "status":
        return _print_status(places)
    else:
        ended = down(places)
        _say(f"ended: {', '.join(ended)}" if ended else "nothing was up")
    return 0


def _hub() -> HubConfig:
    config = load_hub()
    if config is None:
        raise ConfigError("this network has no hub: write hub.toml in the network folder")
    return config


def _print_list(places: HubPlaces, peers: Peers) -> None:
    _say(f"edition {peers.edition}: {', '.join(each.name for each in peers.hospitals)}")
    _say(f"the signed list, for every hospital: {places.peers}")
    _say(f"the hub's key, by another way than the list: {hub_public_key(places).hex()}")
    _say(f"its fingerprint, for hospitals to compare: {peers.fingerprint}")


def _print_status(places: HubPlaces) -> int:
    states = status(places)
    for each in states:
        said = f"up, process {each.pid}" if each.runs else "ended"
        if each.connected is not None:
            said += ", connected" if each.connected else ", not connected"
        _say(f"{each.name}: {said}")
    if not states:
        _say("nothing is up: `pumasi network up`")
    return 0 if states and all(s.runs and s.connected is not False for s in states) else 1


def _say(message: str) -> None:
    sys.stdout.write(f"{message}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
