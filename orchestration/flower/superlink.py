"""Talking to the SuperLink by Flower's own program `flwr`: keys of nodes, runs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestration.flower.places import APP, CONNECTION, HubPlaces, flower_environment
from pumasi.atomic import write_text
from pumasi.errors import FederationError
from pumasi.federation.peers import Peers

# Seconds that a command of Flower's may take; two to four are usual on two cores.
PATIENCE = 60
# Flower's programs are those of this environment.
PROGRAMS = Path(sys.executable).parent

_CONFIG = """\
[superlink]
default = "{name}"

[superlink.{name}]
address = "{address}"
root-certificates = {certificate}
"""


def connect(places: HubPlaces, control: str) -> None:
    """Write Flower's configuration: where the SuperLink takes orders, and its certificate."""
    text = _CONFIG.format(
        name=CONNECTION, address=control, certificate=json.dumps(str(places.authority))
    )
    write_text(places.flower / "config.toml", text)


def register(places: HubPlaces, peers: Peers) -> dict[str, int]:
    """Let the SuperLink take the nodes of these hospitals; the number of each.

    The number is what an answer is known by: it belongs to the key with which the node proves who
    it is. Who is registered already keeps the number.

    Raises:
        FederationError: the SuperLink did not take a key.
    """
    known = read_nodes(places)
    # A SuperLink that was started anew has forgotten all, another one has some.
    present = online(places).keys()
    numbers = {}
    for peer in peers.hospitals:
        number = known.get(peer.name)
        if number is None or number not in present:
            key = places.root / "keys" / f"{peer.name}.pub"
            write_text(key, peer.node_key + "\n")
            number = int(_flwr(places, "supernode", "register", str(key), CONNECTION)["node-id"])
        numbers[peer.name] = number
    write_text(places.nodes, json.dumps(numbers, indent=1) + "\n")
    return numbers


def read_nodes(places: HubPlaces) -> dict[str, int]:
    """Number of each hospital's node, as it was registered last."""
    return json.loads(places.nodes.read_text()) if places.nodes.exists() else {}


def online(places: HubPlaces) -> dict[int, bool]:
    """Whether a node is connected, by number, of all that are registered."""
    found = _flwr(places, "supernode", "list", CONNECTION)
    return {int(node["node-id"]): node["status"] == "online" for node in found["nodes"]}


def start_run(places: HubPlaces, settings: Mapping[str, str], app: Path = APP) -> int:
    """Start a run of the relay and return its number."""
    said = " ".join(f"{name}={json.dumps(value)}" for name, value in settings.items())
    return int(_flwr(places, "run", str(app), CONNECTION, "--run-config", said)["run-id"])


def stop_run(places: HubPlaces, run: int) -> None:
    """Stop a run that nobody will hear of."""
    _flwr(places, "stop", str(run), CONNECTION)


def _flwr(places: HubPlaces, *arguments: str) -> dict[str, Any]:
    """What a command of Flower's says in JSON.

    Raises:
        FederationError: it did not succeed.
    """
    if not (places.flower / "config.toml").exists():
        raise FederationError("no network is up: `pumasi network up`")
    try:
        done = subprocess.run(  # noqa: S603 - no shell
            [str(PROGRAMS / "flwr"), *arguments, "--format", "json"],
            env=flower_environment(places.flower),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
            cwd="/",
        )
    except subprocess.TimeoutExpired:
        raise FederationError(
            f"the SuperLink does not answer `flwr {arguments[0]}`: `pumasi network status`"
        ) from None
    said = _json(done.stdout)
    if done.returncode or not said.get("success", False):
        problem = said.get("error-message") or done.stderr.strip() or done.stdout.strip()
        raise FederationError(f"`flwr {' '.join(arguments[:2])}` failed: {problem}")
    return said


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
