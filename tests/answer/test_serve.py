"""A hospital's process on its socket: whatever a connection does, the next one is answered."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pumasi.answer import serve as serving
from pumasi.answer.enrolment import accept_peers, make_card
from pumasi.answer.frames import LIMIT, read_frame, write_frame
from pumasi.answer.serve import Ending, serve
from pumasi.config import SitePaths
from pumasi.errors import ConfigError
from tests.flower.lists import signed_list


class Echo:
    """Takes the place of a hospital: replies with what it got, and notes what was sent."""

    name = "echo"

    def __init__(self) -> None:
        self.events: list[str] = []

    def answer(self, message: bytes, send: Callable[[bytes], None]) -> None:
        if message == b"fault":
            raise ValueError("person 4711")
        self.events.append("intended")
        if message == b"slow":
            time.sleep(0.5)
        send(message * 2)
        self.events.append("sent")


class Served:
    def __init__(self, path: Path):
        self.path, self.echo, self.ending = path, Echo(), Ending()
        self.said: list[str] = []
        self.thread = threading.Thread(
            target=serve,
            args=(self.echo, path, self.ending, self.said.append),
        )
        self.thread.start()
        wait(path.exists)
        wait(lambda: bool(self.said))

    def end(self) -> None:
        self.ending.ask()
        self.thread.join(10)
        assert not self.thread.is_alive()

    def call(self) -> socket.socket:
        stream = socket.socket(socket.AF_UNIX)
        stream.connect(str(self.path))
        return stream

    def ask(self, message: bytes) -> bytes:
        with self.call() as stream:
            write_frame(stream, message, 5)
            return read_frame(stream, 5)


def wait(ready: Callable[[], bool], seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(serving, "PATIENCE", 0.5)
    made = Served(tmp_path / "answer" / "socket")
    yield made
    made.end()


def test_a_request_gets_its_reply_and_the_socket_goes_with_the_process(served: Served) -> None:
    assert served.ask(b"a" * 3_000_000) == b"a" * 6_000_000
    served.end()
    assert not served.path.exists()
    assert served.said == [
        "echo: answering",
        "echo: ended after 1 replies, 0 connections without one",
    ]


def test_only_the_folder_s_group_may_reach_the_socket(served: Served) -> None:
    assert stat.S_IMODE(served.path.stat().st_mode) == 0o660
    assert stat.S_IMODE(served.path.parent.stat().st_mode) == 0o750
    assert served.path.stat().st_gid == served.path.parent.stat().st_gid


def test_requests_are_answered_one_at_a_time(served: Served) -> None:
    calls = [threading.Thread(target=served.ask, args=(b"slow",)) for _ in range(2)]
    for call in calls:
        call.start()
    for call in calls:
        call.join()
    served.end()
    assert served.echo.events == ["intended", "sent"] * 2


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\x00\x00",
        struct.pack(">I", 10) + b"short",
        struct.pack(">I", LIMIT + 1),
        b"\xff" * 99,
    ],
    ids=["nothing", "half a length", "cut off", "too long", "no message"],
)
def test_a_connection_that_sends_no_message_costs_the_next_nothing(
    served: Served, sent: bytes
) -> None:
    with served.call() as stream:
        stream.sendall(sent)
        stream.shutdown(socket.SHUT_WR)
        # Reset where something that was sent was not even read.
        with contextlib.suppress(ConnectionResetError):
            assert stream.recv(1) == b""
    assert served.ask(b"x") == b"xx"


def test_a_silent_connection_is_left_after_a_time(served: Served) -> None:
    with served.call() as stream:
        stream.settimeout(5)
        assert stream.recv(1) == b""
        assert served.ask(b"x") == b"xx"


def test_what_was_not_taken_is_not_said_to_be_sent(served: Served) -> None:
    with served.call() as stream:
        write_frame(stream, b"slow", 5)
    wait(lambda: len(served.said) == 2)
    assert served.echo.events == ["intended"]
    assert served.said[1] == "echo: a connection broke (BrokenPipeError)"


def test_a_fault_is_named_by_its_kind_and_ends_nothing(served: Served) -> None:
    with served.call() as stream:
        write_frame(stream, b"fault", 5)
        assert stream.recv(1) == b""
    assert served.said[-1] == "echo: a request was not answered (ValueError)"
    assert served.ask(b"x") == b"xx"


def test_a_socket_that_was_left_is_taken_over_and_one_in_use_is_not(served: Served) -> None:
    with pytest.raises(ConfigError, match="already"):
        serve(Echo(), served.path, Ending(), str)  # type: ignore[arg-type]
    served.end()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(served.path))
    again = Served(served.path)
    assert again.ask(b"x") == b"xx"
    again.end()


def test_what_can_be_no_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="too long for a Unix socket"):
        serve(Echo(), tmp_path / ("a" * 120), Ending(), str)  # type: ignore[arg-type]
    file = tmp_path / "answer" / "file"
    file.parent.mkdir()
    file.write_text("mine")
    with pytest.raises(ConfigError, match="no socket"):
        serve(Echo(), file, Ending(), str)  # type: ignore[arg-type]
    assert file.read_text() == "mine"


def test_the_command_answers_until_it_is_told_to_end(tmp_path: Path) -> None:
    network = tmp_path / "network"
    network.mkdir()
    (network / "bada.toml").write_text(
        'name = "Bada"\ndescription = "Made up."\nformat = "omop_cdm"\nreal = false\n'
        '[source]\nurl = "nowhere"\nkind = "full"\n[vocabulary]\nsource = "delivery"\n'
    )
    paths = SitePaths.of("bada", tmp_path / "home")
    text, key = signed_list([make_card(paths)])
    accept_peers(paths, text, key)
    environment = {
        **os.environ,
        "PUMASI_HOME": str(tmp_path / "home"),
        "PUMASI_NETWORK": str(network),
    }
    command = [sys.executable, "-c", "from pumasi.cli import main; main()", "site", "answer"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        wait(paths.socket.exists, 30)
        with socket.socket(socket.AF_UNIX) as stream:
            stream.connect(str(paths.socket))
            write_frame(stream, b"select * from person", 5)
            assert b"no_request_of_this_version" in read_frame(stream, 5)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert said.splitlines()[-1] == "bada: ended after 1 replies, 0 connections without one"
    assert not paths.socket.exists()
    assert b'"event": "refused"' in paths.audit_log.read_bytes()
