"""The kinds of fault: what is killed, stopped, cut or garbled, and who is to be named for it."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from enum import StrEnum
from socket import socket

import numpy as np
import psutil

from benchmarks.faults.deployment import RELAY, RUN, Deployment
from benchmarks.faults.hub import Hub
from benchmarks.faults.wires import Behave, between
from orchestration.flower.one_machine import NODE, PROCESS, SUPERLINK
from pumasi.answer.frames import write_frame

# Seconds that a short stop takes: every run must end right in spite of it.
SHORT = 4.0
# Seconds beyond the time-out that a long stop takes.
BEYOND = 3.0


class Blame(StrEnum):
    """Who is to be named if a run does not end right."""

    NOBODY = "nobody: it must end right"
    HOSPITAL = "the hospital"
    HUB = "the hub"
    KILLED = "nobody: the process that asks was killed"


@dataclass(frozen=True)
class Scene:
    """Where a fault strikes.

    Args:
        deployment: the network.
        hospital: that is hit, if the fault is at a hospital.
        hub: the process that asks.
        seconds: that hospitals have to answer.
        luck: uniform between 0 and 1: what a fault varies in itself.
    """

    deployment: Deployment
    hospital: str
    hub: Hub
    seconds: float
    luck: float

    def last(self, seconds: float) -> None:
        """Let a fault last for so long, or until the exchange has ended."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.hub.has_spoken():
            time.sleep(0.1)


Strike = Callable[[Scene], bool]
Around = Callable[[Scene], AbstractContextManager[None]]


def _around_nothing(_: Scene) -> AbstractContextManager[None]:
    return nullcontext()


def _nothing(_: Scene) -> bool:
    return True


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Args:
        name: what happens.
        blame: who is to be named.
        strike: does it at its moment; says whether there was anything to strike.
        around: stands around the exchange, for what disturbs it as a whole.
        begins: whether it may strike while a run begins as well.
        waits: whether it waits itself for what it strikes, which is there in a part of an exchange.
    """

    name: str
    blame: Blame
    strike: Strike = _nothing
    around: Around = _around_nothing
    begins: bool = False
    waits: bool = False


def _signal(program: str, number: signal.Signals) -> Strike:
    def strike(scene: Scene) -> bool:
        name = program if program == SUPERLINK else program + scene.hospital
        process = scene.deployment.process(name)
        scene.deployment.told_to_end.append(process)
        return _sent(process, number)

    return strike


def _stop(program: str, *, beyond: bool) -> Strike:
    """Stop a program and let it go on after a while."""

    def strike(scene: Scene) -> bool:
        name = program if program == SUPERLINK else program + scene.hospital
        process = scene.deployment.process(name)
        process.suspend()
        scene.last(_while(scene, beyond=beyond))
        process.resume()
        return True

    return strike


def _while(scene: Scene, *, beyond: bool) -> float:
    return scene.seconds + BEYOND if beyond else SHORT * (0.25 + scene.luck)


def _sent(process: psutil.Process, number: signal.Signals) -> bool:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)
        return True
    return False


def _kill_relay(scene: Scene) -> bool:
    return _kill_when_there(scene, RELAY, scene.hospital, 0.5 * scene.luck)


def _kill_run(scene: Scene) -> bool:
    return _kill_when_there(scene, RUN, "", 0)


def _kill_when_there(scene: Scene, what: str, hospital: str, later: float) -> bool:
    """Kill what exists in a part of an exchange only, soon after it began."""
    until = time.monotonic() + scene.seconds
    while time.monotonic() < until:
        if found := scene.deployment.of_run(what, hospital):
            time.sleep(later)
            sent = [_sent(each, signal.SIGKILL) for each in found]
            return any(sent)
        time.sleep(0.1)
    return False


def _hub(number: signal.Signals) -> Strike:
    return lambda scene: _sent(psutil.Process(scene.hub.process.pid), number)


def _with_link(scene: Scene) -> AbstractContextManager[None]:
    scene.deployment.link(scene.hospital)
    return nullcontext()


def _cut_link(scene: Scene) -> bool:
    scene.deployment.link(scene.hospital).cut()
    return True


def _hold_link(scene: Scene) -> bool:
    with scene.deployment.link(scene.hospital).held():
        scene.last(_while(scene, beyond=False))
    return True


def _take_link_down(scene: Scene) -> bool:
    with scene.deployment.link(scene.hospital).down():
        scene.last(_while(scene, beyond=True))
    return True


def _between(behave: Callable[[Scene], Behave]) -> Around:
    @contextmanager
    def around(scene: Scene) -> Iterator[None]:
        path = scene.deployment.cluster.hospitals.paths(scene.hospital).socket
        with between(path, behave(scene)):
            yield

    return around


def _cut_off(scene: Scene) -> Behave:
    """A reply of which a part comes: of its length, or of what follows."""

    def behave(relay: socket, request: bytes, reply_to: Callable[[bytes], bytes]) -> None:
        reply = reply_to(request)
        whole = len(reply).to_bytes(4, "big") + reply
        relay.sendall(whole[: int(scene.luck * len(whole))])

    return behave


def _garbage(scene: Scene) -> Behave:
    """A whole message of as many bytes that are no reply."""

    def behave(relay: socket, request: bytes, reply_to: Callable[[bytes], bytes]) -> None:
        rng = np.random.default_rng(int(1e6 * scene.luck))
        write_frame(relay, rng.bytes(len(reply_to(request))), 20)

    return behave


def _too_long(_: Scene) -> Behave:
    """A message that announces more bytes than any has."""
    return lambda relay, request, reply_to: relay.sendall(b"\xff\xff\xff\xff" + reply_to(request))


def _closed(_: Scene) -> Behave:
    """A connection that is closed when the request has been read."""
    return lambda relay, request, reply_to: None


def _silent(scene: Scene) -> Behave:
    """No reply until the relay gives up."""

    def behave(relay: socket, request: bytes, reply_to: Callable[[bytes], bytes]) -> None:
        relay.settimeout(scene.seconds + 10)
        relay.recv(1)

    return behave


def _trickle(scene: Scene) -> Behave:
    """A reply that comes in small pieces over a few seconds."""

    def behave(relay: socket, request: bytes, reply_to: Callable[[bytes], bytes]) -> None:
        reply = reply_to(request)
        whole = len(reply).to_bytes(4, "big") + reply
        for start in range(0, len(whole), 50):
            relay.sendall(whole[start : start + 50])
            time.sleep(_while(scene, beyond=False) * 50 / len(whole))

    return behave


KILL, TERM = signal.SIGKILL, signal.SIGTERM
KINDS = (
    Kind("node killed (KILL)", Blame.HOSPITAL, _signal(NODE, KILL), begins=True),
    Kind("node ended (TERM)", Blame.HOSPITAL, _signal(NODE, TERM), begins=True),
    Kind("answering process killed (KILL)", Blame.HOSPITAL, _signal(PROCESS, KILL), begins=True),
    Kind("answering process ended (TERM)", Blame.HOSPITAL, _signal(PROCESS, TERM), begins=True),
    Kind("relay at a hospital killed (KILL)", Blame.HOSPITAL, _kill_relay, waits=True),
    Kind("node stands still for a while", Blame.NOBODY, _stop(NODE, beyond=False), begins=True),
    Kind("node stands still beyond the time-out", Blame.HOSPITAL, _stop(NODE, beyond=True)),
    Kind("answering process stands still for a while", Blame.NOBODY, _stop(PROCESS, beyond=False)),
    Kind(
        "answering process stands still beyond the time-out",
        Blame.HOSPITAL,
        _stop(PROCESS, beyond=True),
    ),
    Kind("reply cut off", Blame.HOSPITAL, around=_between(_cut_off)),
    Kind("reply garbled", Blame.HOSPITAL, around=_between(_garbage)),
    Kind("reply of endless length", Blame.HOSPITAL, around=_between(_too_long)),
    Kind("connection closed without a reply", Blame.HOSPITAL, around=_between(_closed)),
    Kind("no reply at all", Blame.HOSPITAL, around=_between(_silent)),
    Kind("reply in small pieces", Blame.NOBODY, around=_between(_trickle)),
    Kind("node's connection cut", Blame.HOSPITAL, _cut_link, _with_link),
    Kind("node's connection held for a while", Blame.NOBODY, _hold_link, _with_link),
    Kind("node's connection down beyond the time-out", Blame.HOSPITAL, _take_link_down, _with_link),
    Kind("hub's run killed (KILL)", Blame.HUB, _kill_run, begins=True),
    Kind("process that asks killed (KILL)", Blame.KILLED, _hub(KILL), begins=True),
    Kind("process that asks ended (TERM)", Blame.KILLED, _hub(TERM), begins=True),
    Kind("SuperLink stands still for a while", Blame.NOBODY, _stop(SUPERLINK, beyond=False)),
    Kind("SuperLink stands still beyond the time-out", Blame.HUB, _stop(SUPERLINK, beyond=True)),
    Kind("SuperLink killed (KILL)", Blame.HUB, _signal(SUPERLINK, KILL), begins=True),
    Kind("SuperLink ended (TERM)", Blame.HUB, _signal(SUPERLINK, TERM), begins=True),
)
