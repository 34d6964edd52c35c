"""Running a program and watching it: wall seconds, and the peak memory of it and its children.

Memory is the sum of the resident sets of the process and all of its descendants, sampled ten times
a second: pages that several of them share count several times, a spike between samples not at all.
"""

import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from pumasi.errors import PumasiError

INTERVAL_SECONDS = 0.1
TAIL = 3000


class ProgramFailedError(PumasiError):
    """A measured program ended with an error; the message is the end of what it said."""


@dataclass(frozen=True)
class Measured:
    """Wall seconds of a process from start to end, CPU seconds, peak of memory in bytes."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


def measure(
    command: Sequence[str], log: Path, folder: Path, environment: Mapping[str, str]
) -> Measured:
    """Run the command in `folder` to its end; what it says goes to `log`.

    Raises `ProgramFailedError` unless it ends with 0.
    """
    peak = 0
    with log.open("w") as output:
        started, used_before = time.monotonic(), _cpu_seconds()
        process = psutil.Popen(
            command, cwd=folder, env=dict(environment), stdout=output, stderr=subprocess.STDOUT
        )
        while process.poll() is None:
            peak = max(peak, _resident(process))
            time.sleep(INTERVAL_SECONDS)
        seconds = time.monotonic() - started
    if process.returncode:
        said = log.read_text(errors="replace")
        raise ProgramFailedError(
            f"{' '.join(command)} ended with {process.returncode}: {said[-TAIL:]}"
        )
    return Measured(seconds, _cpu_seconds() - used_before, peak)


def _cpu_seconds() -> float:
    """CPU seconds of all processes that this one started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _resident(process: psutil.Process) -> int:
    total = 0
    try:
        for each in (process, *process.children(recursive=True)):
            total += each.memory_info().rss
    except psutil.NoSuchProcess:
        pass  # it ended meanwhile; the next sample sees what is left
    return total
