"""The hub's process: opens runs over Flower and asks, as it is told; it can be killed like one.

Orders come by lines: `ask TERM`, which opens a run if none is open, and `close`. What comes back is
a line of JSON each: the parts of the sum, or kind and words of the error, and the seconds it took.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestration.flower.places import HubPlaces
from orchestration.flower.transport import FlowerTransport
from pumasi.federation.network import Run
from pumasi.federation.queries import Moments
from pumasi.federation.rows import Design
from tests.flower.hospitals import run_over

Parts = dict[str, list[float]]


def asked(run: Run, term: str) -> Parts:
    """The sum of this column over the hospitals."""
    (total,) = run.total([Moments(design=Design(terms=(term,)))])
    return {name: part.ravel().tolist() for name, part in total.parts.items()}


@dataclass
class Asking:
    """The run that is open, if one is.

    Args:
        seconds: that hospitals have to answer.
    """

    seconds: float
    transport: FlowerTransport | None = None
    run: Run | None = None

    def do(self, order: str, term: str = "") -> Parts:
        """Follow an order; only `ask` has an answer."""
        if order == "close":
            self._close()
            return {}
        if self.run is None:
            transport = FlowerTransport(HubPlaces.of_home(), seconds=self.seconds)
            self.transport = transport.__enter__()
            self.run = run_over(transport)
        return asked(self.run, term)

    def _close(self) -> None:
        if self.transport is not None:
            self.transport.__exit__(None, None, None)
        self.transport = self.run = None


def main() -> None:
    """Follow orders until there are no more."""
    asking = Asking(float(sys.argv[1]))
    for line in sys.stdin:
        began = time.monotonic()
        said: dict[str, Any] = {"error": "", "words": ""}
        try:
            said["parts"] = asking.do(*line.split())
        except Exception as error:  # whoever judges is told of every kind
            said |= {"error": type(error).__name__, "words": str(error)}
        said["seconds"] = time.monotonic() - began
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()


@dataclass(frozen=True)
class Said:
    """What the hub's process said to an order.

    Args:
        error: kind of the error; empty if there was none.
        words: of the error.
        parts: the sum.
        seconds: that the order took.
    """

    error: str = ""
    words: str = ""
    parts: Mapping[str, list[float]] = field(default_factory=dict)
    seconds: float = 0.0


class Hub:
    """The hub's process, as whoever gives it orders sees it.

    Args:
        environment: what it is told beside our own variables.
        seconds: that hospitals have to answer.
    """

    def __init__(self, environment: Mapping[str, str], seconds: float) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - no shell
            [sys.executable, "-m", "benchmarks.faults.hub", str(seconds)],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def has_ended(self) -> bool:
        """Whether it has ended, or does so within a few seconds."""
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            return False
        return True

    def order(self, *words: str) -> None:
        """Tell it what to do, and do not wait for it."""
        assert self.process.stdin is not None  # noqa: S101 - it was opened with a pipe
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(" ".join(words) + "\n")
            self.process.stdin.flush()

    def has_spoken(self, patience: float = 0.0) -> bool:
        """Whether it said something, or ended, within so many seconds."""
        assert self.process.stdout is not None  # noqa: S101 - it was opened with a pipe
        return bool(select.select([self.process.stdout], [], [], max(0.0, patience))[0])

    def said(self, patience: float) -> Said | None:
        """What it said to the last order; None if it ended, or says nothing for so long."""
        assert self.process.stdout is not None  # noqa: S101 - it was opened with a pipe
        line = self.process.stdout.readline() if self.has_spoken(patience) else ""
        return Said(**json.loads(line)) if line else None

    def end(self) -> None:
        """End it, however it is, and wait for it."""
        self.process.kill()
        self.process.communicate()


if __name__ == "__main__":
    main()
