"""Programs that outlive the command that starts them: started, found again, and ended.

A program is known by its process number and by when the system started it, so that a number that
was given to somebody else's process is left alone.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from orchestration.processes import is_same_start, living, start_of
from pumasi.atomic import write_text
from pumasi.errors import FederationError

# Seconds that programs have to end by themselves; Flower's take up to five.
PATIENCE = 20.0
HERE = "127.0.0.1"
# Below those that Linux (32768 and up) and macOS give to connections that go out: one of theirs may
# be taken in the seconds between being chosen and being listened on.
_PORTS = range(20000, 32768)


@dataclass(frozen=True)
class Program:
    """A program that was started.

    Args:
        name: what it is for.
        pid: number of its process.
        started: when it was started, as `start_of` tells it.
        log: file of what it prints.
    """

    name: str
    pid: int
    started: str
    log: str

    def process(self) -> psutil.Process | None:
        """Its process; None if it has ended."""
        return living(self.pid, self.started)

    def family(self) -> list[psutil.Process]:
        """Its process and those that it started, also when it has ended itself and they have not.

        They are those of its session: a parent that ended is not known by its children.
        """
        found = start_of(self.pid)
        if found is not None and not is_same_start(found, self.started):
            return []
        return [each for each in psutil.process_iter() if _session(each) == self.pid]

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.process() is not None

    def last_lines(self, count: int = 5) -> str:
        """The end of what it printed."""
        try:
            lines = Path(self.log).read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(f"  {line}" for line in lines[-count:])


def _session(process: psutil.Process) -> int:
    try:
        return os.getsid(process.pid)
    except ProcessLookupError:
        return -1


def start(
    name: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    log: Path,
) -> Program:
    """Start a program in a session of its own, so that what ends our terminal doesn't end it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as stream:
        process = subprocess.Popen(  # noqa: S603 - no shell
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
        )
    # Nobody has asked for its code yet, so that its number is its own also if it has ended.
    began = start_of(process.pid) or ""
    # Asks for its code as soon as it ends: until then the children of a program of Flower's that
    # was killed take it for alive, and stay.
    threading.Thread(target=process.wait, daemon=True).start()
    return Program(name, process.pid, began, str(log))


def end(programs: Sequence[Program], patience: float = PATIENCE) -> list[str]:
    """End programs and their children and wait for them; return what had to be killed.

    Of a program that has ended already, what it left is ended.
    """
    family = [process for each in programs for process in each.family()]
    for each in family:
        _signalled(each, kill=False)
    left = _wait_until_gone(family, patience)
    names = [f"{_name(each)} ({each.pid})" for each in left]
    for each in left:
        _signalled(each, kill=True)
    _wait_until_gone(left, patience)
    return names


def _wait_until_gone(processes: Sequence[psutil.Process], patience: float) -> list[psutil.Process]:
    """Those that have not ended in that time."""
    until = time.monotonic() + patience
    left = [each for each in processes if not _is_gone(each)]
    while left and time.monotonic() < until:
        time.sleep(0.1)
        left = [each for each in left if not _is_gone(each)]
    return left


def _is_gone(process: psutil.Process) -> bool:
    # What has ended and was not asked for its code by whoever started it has gone as well.
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _signalled(process: psutil.Process, *, kill: bool) -> None:
    try:
        process.kill() if kill else process.terminate()
    except psutil.NoSuchProcess:
        return


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return "a process that ended"


def write_programs(file: Path, programs: Sequence[Program]) -> None:
    """Write down what was started, for whoever ends it."""
    write_text(file, json.dumps([asdict(each) for each in programs], indent=1) + "\n")


def read_programs(file: Path) -> list[Program]:
    """What was written down; nothing if there is no such file."""
    return [Program(**each) for each in json.loads(file.read_text())] if file.exists() else []


def is_free(address: str) -> bool:
    """Whether a program could listen at host:port."""
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError:
            return False
    return True


def listens(address: str) -> bool:
    """Whether somebody listens at host:port."""
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, int(port))) == 0


def unused_port() -> int:
    """A port of this machine on which nobody listens now.

    Raises:
        FederationError: of a hundred that were tried none was free.
    """
    for port in secrets.SystemRandom().sample(_PORTS, 100):
        if is_free(f"{HERE}:{port}"):
            return port
    raise FederationError(f"no port is free among a hundred from {_PORTS[0]} to {_PORTS[-1]}")
