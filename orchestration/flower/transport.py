"""Messages over Flower: the hub's process speaks to one run of the relay through a Unix socket.

What an answer is known by is the number of the node, which belongs to a registered key; the name
that stands in the reply is held against it by whoever opens it.
"""

from __future__ import annotations

import json
import socket
import tempfile
from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from orchestration.flower.app.relay.frames import FrameError, read_frame, write_frame
from orchestration.flower.places import APP, HubPlaces
from orchestration.flower.superlink import read_nodes, start_run, stop_run
from pumasi.errors import FederationError

# Seconds that hospitals have to answer one message.
EXCHANGE_SECONDS = 300.0
# Seconds until a run that was started reports; five to twelve are usual on two cores.
START_SECONDS = 90.0
# Seconds that the relay's server has beyond an exchange to say who did not answer.
_GRACE = 30.0

_REMEDIES = {
    "not_answering": "its own process does not answer: start `pumasi site answer` there",
    "too_slow": "its own process did not answer in time: see its log, or allow more seconds",
    "not_sent": "its node is not connected: `pumasi network status`",
    "flower_error_1": "the hub ships another relay than is installed there, and it runs none but "
    "that: install the same version of Pumasi at both",
    "flower_error_3": "its node is not connected: `pumasi network status`",
    "flower_error_5": "its node is not connected: `pumasi network status`",
    "": "no reply in time: is its node up? `pumasi network status`, and the log of the node there",
}


class FlowerTransport:
    """The messages of one run of Pumasi, in one run of Flower; to be used with `with`.

    Args:
        places: of the hub.
        hospitals: who is asked; all whose nodes are registered if not given.
        seconds: that hospitals have to answer one message.
        app: folder of what Flower ships.
    """

    def __init__(
        self,
        places: HubPlaces,
        hospitals: tuple[str, ...] | None = None,
        *,
        seconds: float = EXCHANGE_SECONDS,
        app: Path = APP,
    ) -> None:
        nodes = read_nodes(places)
        if missing := sorted(set(hospitals or ()) - nodes.keys()):
            raise FederationError(
                f"{', '.join(missing)}: no node is registered: `pumasi network enrol`, then "
                "`pumasi network up`"
            )
        self.places = places
        self.nodes = {name: nodes[name] for name in sorted(hospitals or nodes)}
        self.seconds = seconds
        self.app = app
        self._stream: socket.socket | None = None

    @property
    def hospitals(self) -> tuple[str, ...]:
        """Who is reached, sorted."""
        return tuple(self.nodes)

    def __enter__(self) -> Self:
        # Not below PUMASI_HOME: the path of a Unix socket is short. Nobody needs it any more once
        # the run has called.
        with tempfile.TemporaryDirectory(prefix="pumasi-hub-") as folder:
            self._stream = self._connected(Path(folder) / "socket")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _connected(self, path: Path) -> socket.socket:
        """Start a run of the relay and wait until its server has called."""
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen(1)
            run = start_run(self.places, {"socket": str(path)}, self.app)
            listener.settimeout(START_SECONDS)
            try:
                stream, _ = listener.accept()
            except TimeoutError:
                stop_run(self.places, run)
                raise FederationError(
                    f"run {run} of the relay did not begin within {START_SECONDS:.0f} s: see "
                    f"{self.places.logs / 'superlink.log'}"
                ) from None
        said = {"nodes": [str(node) for node in self.nodes.values()], "seconds": self.seconds}
        write_frame(stream, json.dumps(said).encode(), _GRACE)
        return stream

    def carry(self, message: bytes) -> dict[str, bytes]:
        """Send one message to all and return the reply of each.

        Raises:
            FederationError: one did not answer; each that did not is named, with what to do.
        """
        found = self.exchanged(message)
        names = {str(node): name for name, node in self.nodes.items()}
        replies = {names[node]: b64decode(text) for node, text in found["replies"].items()}
        problems = [
            f"{name}: {_REMEDIES.get(code, f'its relay failed ({code}): see the log of its node')}"
            for name, node in self.nodes.items()
            if name not in replies
            for code in [found["failed"].get(str(node), "")]
        ]
        # Flower says of nodes that they are not connected when the SuperLink itself stood still.
        hub = ""
        if seconds := found["hub"].get("stood_still"):
            hub = f"the SuperLink stood still for {seconds} s, and may have lost its nodes"
        elif len(problems) == len(self.nodes) > 1:
            hub = "no hospital answered, which may be the hub's"
        if problems and hub:
            log = self.places.logs / "superlink.log"
            problems.insert(0, f"{hub}: see {log}, and `pumasi network status`")
        if problems:
            raise FederationError("\n".join(problems))
        return replies

    def exchanged(self, message: bytes) -> Mapping[str, Mapping[str, str]]:
        """By node `replies` in base64, and of the others that `failed` the code; `hub`'s own.

        Raises:
            FederationError: the run of the relay at the hub ended.
        """
        if self._stream is None:
            raise FederationError("the transport is not open: use it with `with`")
        try:
            write_frame(self._stream, message, _GRACE)
            answer = read_frame(self._stream, self.seconds + _GRACE)
        except (OSError, FrameError):
            answer = None
        if answer is None:
            # What came too late must not be taken for the answer to the next message.
            self._stream.close()
            raise FederationError(
                "the run of the relay at the hub ended: see "
                f"{self.places.logs / 'superlink.log'}, and `pumasi network status`"
            )
        found: Mapping[str, Mapping[str, str]] = json.loads(answer)
        return found
