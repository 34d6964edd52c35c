"""Where the hub keeps what its network needs, and the environment of Flower's programs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pumasi.config import hub_folder
from pumasi.config.environment import program_environment

# The connection's name in Flower's own configuration file.
CONNECTION = "pumasi"
# What Flower ships to the hospitals.
APP = Path(__file__).with_name("app")
# Programs that a hospital's node finds before Flower's own of the same name.
NODE_PROGRAMS = Path(__file__).with_name("node")


@dataclass(frozen=True)
class HubPlaces:
    """The files of the hub's network; naming one doesn't make it."""

    root: Path

    @classmethod
    def of_home(cls) -> HubPlaces:
        """Those below PUMASI_HOME."""
        return cls(hub_folder() / "network")

    @property
    def hub_key(self) -> Path:
        """The hub's Ed25519 key, which signs the list of hospitals; mode 0600."""
        return self.root / "hub.key"

    @property
    def authority_key(self) -> Path:
        """Key of the hub's certificate authority; mode 0600."""
        return self.root / "authority.key"

    @property
    def authority(self) -> Path:
        """Certificate of the hub's authority: nodes hold the hub to it."""
        return self.root / "authority.crt"

    @property
    def server_key(self) -> Path:
        """Key of the hub's server; mode 0600."""
        return self.root / "server.key"

    @property
    def server(self) -> Path:
        """Certificate of the hub's server."""
        return self.root / "server.crt"

    @property
    def peers(self) -> Path:
        """The signed list of hospitals."""
        return self.root / "peers.json"

    @property
    def nodes(self) -> Path:
        """Number of each hospital's node, as the SuperLink registered its key."""
        return self.root / "nodes.json"

    @property
    def programs(self) -> Path:
        """The programs that were started here."""
        return self.root / "programs.json"

    @property
    def logs(self) -> Path:
        """What the programs print."""
        return self.root / "logs"

    @property
    def flower(self) -> Path:
        """FLWR_HOME of the hub."""
        return self.root / "flower"


def flower_environment(flower_home: Path) -> dict[str, str]:
    """The environment of a program of Flower: no telemetry, no download, a home of our own."""
    # Whoever starts us may have set Flower's own variables; nothing of them is wanted.
    inherited = {k: v for k, v in program_environment().items() if not k.startswith("FLWR_")}
    return {
        **inherited,
        "FLWR_HOME": str(flower_home),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
        # Lines in the logs as they are written, also when a program is killed.
        "PYTHONUNBUFFERED": "1",
    }


def relay_environment(flower_home: Path) -> dict[str, str]:
    """The environment of a hospital's node: it is told nothing of where Pumasi keeps things."""
    known = ("LANG", "LC_ALL", "TMPDIR", "HOME", "PYTHONPATH")
    environment = {
        name: value
        for name, value in flower_environment(flower_home).items()
        if name.startswith(("FLWR_", "PYTHON"))
    }
    return {
        **{name: os.environ[name] for name in known if name in os.environ},
        **environment,
        "PATH": f"{NODE_PROGRAMS}:{program_environment()['PATH']}",
    }
