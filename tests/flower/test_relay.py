"""The relay: it hands bytes on, knows nothing of Pumasi, and has a word for every failure."""

from __future__ import annotations

import ast
import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace

import pytest
from flwr.app import ConfigRecord, Message, RecordDict

from orchestration.flower import transport as over_flower
from orchestration.flower.app.relay import client_app, frames, server_app
from orchestration.flower.places import APP, HubPlaces
from orchestration.flower.transport import FlowerTransport
from pumasi.answer import frames as hospital_frames
from pumasi.errors import FederationError


def test_what_is_shipped_imports_nothing_of_the_project_and_no_database() -> None:
    imported = set()
    for file in APP.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                imported |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add((node.module or "").partition(".")[0])
    assert imported == {
        *("__future__", "base64", "collections", "json", "socket", "struct", "time"),
        "flwr",
    }


def test_both_sides_of_the_border_speak_the_same_frames() -> None:
    assert frames.LIMIT == hospital_frames.LIMIT
    here, there = socket.socketpair()
    with here, there:
        frames.write_frame(here, b"request", 1)
        assert hospital_frames.read_frame(there, 1) == b"request"
        hospital_frames.write_frame(there, b"reply", 1)
        assert frames.read_frame(here, 1) == b"reply"


def test_a_relay_reads_no_message_that_is_too_long_or_cut_off_or_late() -> None:
    for sent in (b"\xff\xff\xff\xff", b"\x00\x00", b"\x00\x00\x00\x09short"):
        here, there = socket.socketpair()
        with here, there:
            here.sendall(sent)
            here.shutdown(socket.SHUT_WR)
            with pytest.raises(frames.FrameError):
                frames.read_frame(there, 1)
    here, there = socket.socketpair()
    with here, there, pytest.raises(TimeoutError):
        frames.read_frame(there, 0.1)
    with pytest.raises(frames.FrameError):
        frames.write_frame(here, bytes(frames.LIMIT + 1))


def listening(path: Path, behave: Callable[[socket.socket], None]) -> threading.Thread:
    """A hospital's process that takes one connection."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def once() -> None:
        with listener:
            connection, _ = listener.accept()
            with connection:
                behave(connection)

    thread = threading.Thread(target=once)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("behave", "expected"),
    [
        (lambda c: frames.write_frame(c, (frames.read_frame(c) or b"") * 2), {"bytes": b"xx"}),
        (lambda c: frames.read_frame(c), {"failed": "not_answering"}),
        (lambda c: c.close(), {"failed": "not_answering"}),
        (lambda c: (frames.read_frame(c), c.recv(1)), {"failed": "too_slow"}),
    ],
    ids=["replies", "closes", "does not read", "is silent"],
)
def test_a_relay_brings_the_reply_or_a_word_for_why_there_is_none(
    tmp_path: Path, behave: Callable[[socket.socket], None], expected: dict[str, object]
) -> None:
    path = tmp_path / "socket"
    process = listening(path, behave)
    assert dict(client_app.ask(str(path), b"x", 0.5)) == expected
    process.join(5)
    assert dict(client_app.ask(str(path), b"x", 0.5)) == {"failed": "not_answering"}


class Grid:
    """Takes Flower's place: node 1 replies, 2 fails, 3 and 5 are not reached, 4 stays silent."""

    def push_messages(self, messages: Iterable[Message]) -> list[str | None]:
        nodes = [message.metadata.dst_node_id for message in messages]
        return [None if node in (3, 5) else f"m{node}" for node in nodes]

    def pull_messages(self, waiting: Iterable[str]) -> list[SimpleNamespace]:
        replies = {
            "m1": RecordDict({"reply": ConfigRecord({"bytes": b"sum"})}),
            "m2": RecordDict({"reply": ConfigRecord({"failed": "not_answering"})}),
        }
        return [
            SimpleNamespace(
                metadata=SimpleNamespace(reply_to_message_id=each),
                has_error=lambda: False,
                content=replies[each],
            )
            for each in waiting
            if each in replies
        ]


def test_the_hub_s_program_says_of_every_node_what_it_replied_or_why_not() -> None:
    found = server_app.exchange(Grid(), [1, 2, 3, 4, 5], b"request", 0.5)  # type: ignore[arg-type]
    assert found == {
        "replies": {"1": "c3Vt"},
        "failed": {"2": "not_answering", "3": "not_sent", "5": "not_sent"},
        "hub": {},
    }


def test_a_superlink_that_stands_still_is_told_from_a_node_that_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Slow(Grid):
        def pull_messages(self, waiting: Iterable[str]) -> list[SimpleNamespace]:
            time.sleep(0.6)
            return super().pull_messages(waiting)

    monkeypatch.setattr(server_app, "STOOD_STILL", 0.5)
    found = server_app.exchange(Slow(), [1, 2], b"request", 0.5)  # type: ignore[arg-type]
    assert found["replies"] == {"1": "c3Vt"}
    assert found["hub"] == {"stood_still": "1"}


def test_every_hospital_without_a_reply_is_named_with_what_to_do(tmp_path: Path) -> None:
    places = HubPlaces(tmp_path)
    places.nodes.write_text(json.dumps({"bada": 1, "deul": 2, "haneul": 3, "sup": 4}))
    transport = FlowerTransport(places, seconds=0.3)
    with pytest.raises(FederationError, match="not open"):
        transport.carry(b"request")
    here, there = socket.socketpair()

    def serve() -> None:
        request = frames.read_frame(there) or b""
        found = server_app.exchange(Grid(), [1, 2, 3, 4], request, 0.5)  # type: ignore[arg-type]
        frames.write_frame(there, json.dumps(found).encode())

    thread = threading.Thread(target=serve)
    thread.start()
    transport._stream = here
    with there, pytest.raises(FederationError) as refused:
        transport.carry(b"request")
    thread.join()
    assert [line.partition(":")[0] for line in str(refused.value).splitlines()] == [
        *("deul", "haneul", "sup")
    ]
    with pytest.raises(FederationError, match="the run of the relay at the hub ended"):
        transport.carry(b"request")
    here.close()


def test_when_no_hospital_answers_the_hub_is_named_first(tmp_path: Path) -> None:
    places = HubPlaces(tmp_path)
    places.nodes.write_text(json.dumps({"bada": 1, "deul": 2}))
    transport = FlowerTransport(places, seconds=0.3)
    here, there = socket.socketpair()
    transport._stream = here
    failed = {"1": "flower_error_3", "2": ""}
    frames.write_frame(there, json.dumps({"replies": {}, "failed": failed, "hub": {}}).encode())
    with here, there, pytest.raises(FederationError) as refused:
        transport.carry(b"request")
    first, *others = str(refused.value).splitlines()
    assert first.startswith("no hospital answered, which may be the hub's: see ")
    assert [line.partition(":")[0] for line in others] == ["bada", "deul"]


def test_when_the_superlink_stood_still_it_is_named_before_who_seems_not_connected(
    tmp_path: Path,
) -> None:
    places = HubPlaces(tmp_path)
    places.nodes.write_text(json.dumps({"bada": 1, "deul": 2}))
    transport = FlowerTransport(places, seconds=0.3)
    here, there = socket.socketpair()
    transport._stream = here
    found = {
        "replies": {"1": "c3Vt"},
        "failed": {"2": "flower_error_3"},
        "hub": {"stood_still": "28"},
    }
    frames.write_frame(there, json.dumps(found).encode())
    with here, there, pytest.raises(FederationError) as refused:
        transport.carry(b"request")
    first, other = str(refused.value).splitlines()
    assert first.startswith("the SuperLink stood still for 28 s, and may have lost its nodes: see ")
    assert other == "deul: its node is not connected: `pumasi network status`"


def test_an_answer_that_comes_too_late_is_not_taken_for_that_to_the_next_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(over_flower, "_GRACE", 0.1)
    places = HubPlaces(tmp_path)
    places.nodes.write_text(json.dumps({"bada": 1}))
    transport = FlowerTransport(places, seconds=0.1)
    here, there = socket.socketpair()
    transport._stream = here
    with here, there:
        with pytest.raises(FederationError, match="the run of the relay at the hub ended"):
            transport.carry(b"request")
        late = {"replies": {"1": "c3Vt"}, "failed": {}, "hub": {}}
        with contextlib.suppress(OSError):
            frames.write_frame(there, json.dumps(late).encode())
        with pytest.raises(FederationError, match="the run of the relay at the hub ended"):
            transport.carry(b"another request")


def test_a_hospital_without_a_node_is_named(tmp_path: Path) -> None:
    with pytest.raises(FederationError, match="sup: no node is registered"):
        FlowerTransport(HubPlaces(tmp_path), ("sup",))
