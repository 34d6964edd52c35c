"""Which process has a number, so that a number that was given anew is not taken for it.

A process is known by its number and by when the system started it. Linux tells that in ticks since
the machine was started: the time of day, which psutil makes of it, moves when the clock is set.
"""

from __future__ import annotations

import os
from pathlib import Path

import psutil

# What a shell makes of a program that Ctrl-C ended.
INTERRUPTED = 130
# Another at each start of the machine, where the ticks begin anew. Of Linux.
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# What its numbers hold in: a container counts anew. Of Linux.
_NAMESPACE = Path("/proc/self/ns/pid")
# Place of the ticks (field 22 of /proc/<pid>/stat) after the name, which may hold spaces.
_TICKS = 19
# Seconds by which times of one start may differ where the system tells a time of day only.
_APART = 5.0


def start_of(pid: int) -> str | None:
    """When the system started the process; None if there is none."""
    try:
        if not _BOOT_ID.exists():
            return str(psutil.Process(pid).create_time())
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return f"{_BOOT_ID.read_text().strip()}/{fields[_TICKS]}"
    except (FileNotFoundError, ProcessLookupError, psutil.NoSuchProcess):
        return None


def is_same_start(one: str, other: str) -> bool:
    """Whether both are the start of one process, if they are of one number."""
    if "/" in one or "/" in other:
        return one == other
    return abs(float(one) - float(other)) <= _APART


def living(pid: int, start: str) -> psutil.Process | None:
    """The process with this number and start; None if it has ended."""
    try:
        found, began = psutil.Process(pid), start_of(pid)
        ended = began is None or found.status() == psutil.STATUS_ZOMBIE
        return None if ended or not is_same_start(str(began), start) else found
    except psutil.NoSuchProcess:
        return None


def this_process() -> str:
    """What names this process to others, who ask `has_ended`."""
    return f"{os.getpid()} {start_of(os.getpid())} {_namespace()}"


def has_ended(process: str) -> bool:
    """Whether the process that `this_process` named has ended; False where that can't be seen.

    The processes of another container can't, until the machine is started anew.
    """
    pid, start, namespace = process.split(" ")
    if namespace != _namespace() and _boot(start) == _boot(start_of(os.getpid()) or ""):
        return False
    return living(int(pid), start) is None


def _namespace() -> str:
    return _NAMESPACE.readlink().name if _BOOT_ID.exists() else ""


def _boot(start: str) -> str:
    return start.partition("/")[0]
