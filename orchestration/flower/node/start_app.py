"""Starts what the hub shipped, if it is the relay that is installed here, file by file.

Flower runs whatever app the hub ships. Here the hospital's own installation says what may run: an
app that differs from it is not unpacked, the hub is told so, and the hospital's process writes a
line into its log. This is a second border: the first is that the relay's user can read nothing.

It is a process of its own per message, so its imports are most of the time of an exchange: it
leaves out those of Flower's command line, half of them. It knows Flower and nothing of Pumasi.
"""

from __future__ import annotations

import argparse
import io
import socket
import struct
import tomllib
import zipfile
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

from flwr.clientapp.client_app import LoadClientAppError
from flwr.common.args import add_args_flwr_app_common, try_obtain_flwr_app_token
from flwr.supercore.tls import validate_and_resolve_root_certificates

# Flower's program, of which two steps are replaced.
flower: Any = import_module("flwr.supernode.runtime.run_clientapp")
INSTALLED = Path(__file__).resolve().parents[1] / "app"
CONFIGURATION, CONTENTS = "pyproject.toml", ".info/CONTENT"
# What the hospital's process is told, and knows how to write down.
ANOTHER_APP = b"another app than is installed here"
# Seconds that the hospital's process has to take the word.
PATIENCE = 20.0


class Installed:
    """Two steps of Flower's program: what it pulls, and how it unpacks the app."""

    def __init__(self) -> None:
        self._pull, self._install = flower.pull_task_input, flower.install_from_fab
        self.hospital = ""

    def pull(self, *arguments: Any) -> Any:
        """Flower's own, remembering where the hospital's process answers."""
        message, context, run, fab = self._pull(*arguments)
        self.hospital = str(context.node_config["socket"])
        return message, context, run, fab

    def install(self, fab: bytes, **options: Any) -> Any:
        """Flower's own, of the app that is installed here.

        Raises:
            LoadClientAppError: it is another app; the hub gets a code, the log of the node this.
        """
        if not is_installed(fab):
            tell(self.hospital, ANOTHER_APP)
            digest = sha256(fab).hexdigest()
            raise LoadClientAppError(f"the hub shipped another app than is installed: {digest}")
        return self._install(fab, **options)


def is_installed(fab: bytes, installed: Path = INSTALLED) -> bool:
    """Whether every file of the app is the file that is installed, byte by byte.

    Flower writes the configuration anew: what it says is compared, not how it is written.
    """
    with zipfile.ZipFile(io.BytesIO(fab)) as shipped:
        names = set(shipped.namelist()) - {CONTENTS}
        known = {str(path.relative_to(installed)) for path in installed.rglob("*.py")}
        if CONFIGURATION not in names or not names - {CONFIGURATION} <= known:
            return False
        configuration = tomllib.loads(shipped.read(CONFIGURATION).decode())
        return configuration == tomllib.loads((installed / CONFIGURATION).read_text()) and all(
            shipped.read(name) == (installed / name).read_bytes()
            for name in names - {CONFIGURATION}
        )


def tell(path: str, word: bytes) -> None:
    """Hand a word to the hospital's process; its answer is of no interest."""
    try:
        with socket.socket(socket.AF_UNIX) as hospital:
            hospital.settimeout(PATIENCE)
            hospital.connect(path)
            hospital.sendall(struct.pack(">I", len(word)) + word)
            hospital.recv(1)
    except OSError:
        return


def main() -> None:
    """Flower's own program, with its options."""
    parser = argparse.ArgumentParser(description="Run the relay that is installed here.")
    parser.add_argument("--clientappio-api-address", required=True)
    add_args_flwr_app_common(parser)
    given = parser.parse_args()
    only = Installed()
    flower.pull_task_input, flower.install_from_fab = only.pull, only.install
    flower.run_clientapp(
        clientappio_api_address=given.clientappio_api_address,
        token=try_obtain_flwr_app_token(given),
        insecure=given.insecure,
        certificates=validate_and_resolve_root_certificates(
            given.root_certificates, given.insecure
        ),
        parent_pid=given.parent_pid,
        # Nothing is ever installed at run time.
        runtime_dependency_install=False,
    )
