"""What stands between two programs of the network and disturbs what they say to each other."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestration.flower.programs import HERE
from pumasi.answer.frames import read_frame, write_frame

# What becomes of a connection of the relay: it, the request, and who gets the true reply of it.
Behave = Callable[[socket.socket, bytes, Callable[[bytes], bytes]], None]


class Link:
    """A node's connection to the hub, through a port of this machine, that can be cut or held."""

    def __init__(self, to: str) -> None:
        host, _, port = to.rpartition(":")
        self._to = host, int(port)
        self._listener = socket.create_server((HERE, 0))
        self.address = f"{HERE}:{self._listener.getsockname()[1]}"
        self._flows = threading.Event()
        self._flows.set()
        self._is_down = False
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break the connections that there are; new ones can be made at once."""
        while self._open:
            _break(self._open.pop())

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let nothing pass meanwhile, and lose nothing."""
        self._flows.clear()
        try:
            yield
        finally:
            self._flows.set()

    @contextmanager
    def down(self) -> Iterator[None]:
        """Break every connection, and take none meanwhile."""
        self._is_down = True
        self.cut()
        try:
            yield
        finally:
            self._is_down = False

    def close(self) -> None:
        """End it with its connections."""
        _break(self._listener)
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                node, _ = self._listener.accept()
            except OSError:
                return
            try:
                if self._is_down:
                    raise ConnectionError("the link is down")
                hub = socket.create_connection(self._to, timeout=5)
            except OSError:
                _break(node)
                continue
            hub.settimeout(None)
            self._open += [node, hub]
            for source, target in ((node, hub), (hub, node)):
                threading.Thread(target=self._pass, args=(source, target), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                self._flows.wait()
                target.sendall(data)
        _break(source)
        _break(target)


def _break(connection: socket.socket) -> None:
    # `close` alone does not wake who waits for it in another thread.
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@contextmanager
def between(path: Path, behave: Behave) -> Iterator[None]:
    """Stand between relay and hospital: who connects to `path` gets what `behave` does."""
    real = path.with_name("real")
    path.rename(real)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def reply_to(request: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX) as hospital:
            hospital.connect(str(real))
            write_frame(hospital, request, 20)
            return read_frame(hospital, 20)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                relay, _ = listener.accept()
                with relay, contextlib.suppress(OSError):
                    behave(relay, read_frame(relay, 20), reply_to)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        _break(listener)
        thread.join(30)
        path.unlink()
        real.rename(path)
