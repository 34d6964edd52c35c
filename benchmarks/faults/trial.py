"""One fault at a time: it strikes an exchange, and what came of it is judged.

The exchange after it must give the right number, when what had ended was started again: that is the
proof that the network recovered.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import psutil

from benchmarks.faults.deployment import Deployment, command
from benchmarks.faults.hub import Hub, Parts, Said, asked
from benchmarks.faults.kinds import KINDS, Blame, Kind, Scene
from pumasi.errors import FederationError
from tests.flower.cluster import Cluster
from tests.flower.hospitals import NAMES, NUMBERS, run_over

# Seconds beyond the time-out within which a run must have ended: those that the transport gives the
# hub's run, and some for a busy machine.
GRACE = 35.0
# Seconds in which a run must have begun, or said that it can't: what `flwr` and the transport take.
BEGIN = 200.0
# Seconds in which the last process of a run must have gone, beyond the time-out.
GONE = 30.0
# Seconds that a hub's process has to close its run, which needs no answer of anybody.
CLOSE = 10.0
# Exchanges of a run that no fault ends.
EXCHANGES = 5
# How often a fault is tried that finds nothing to strike any more.
TRIES = 3
# Seconds until an exchange is over, before one was measured.
USUAL = 8.0

_NAMED = re.compile(r"^(\w+)(?:: | refused: )", re.MULTILINE)
# Who says that of the hub may name hospitals that seem not to be connected.
_STOOD_STILL = "the SuperLink stood still"
_HUB = (
    "the run of the relay at the hub ended",
    "no hospital answered, which may be the hub's",
    "the SuperLink does not answer",
    _STOOD_STILL,
    "`flwr ",
    "run ",
)


class Verdict(StrEnum):
    """How a run under a fault ended."""

    MISSED = "nothing to strike"
    RIGHT = "ended right"
    NAMED = "failed, named"
    KILLED = "was killed itself"
    WRONG = "wrong number"
    UNNAMED = "failed, not named"
    HANG = "hung"


@dataclass(frozen=True)
class Fault:
    """One fault that was drawn.

    Args:
        kind: what happens.
        hospital: where, if it is at a hospital.
        at_begin: whether it strikes while a run begins; else in an exchange.
        moment: when, as a share of how long that usually takes.
        luck: uniform between 0 and 1: what the fault varies in itself.
    """

    kind: Kind
    hospital: str
    at_begin: bool
    moment: float
    luck: float


@dataclass(frozen=True)
class Result:
    """What came of a fault.

    Args:
        fault: it.
        verdict: how the run ended.
        words: of its error.
        seconds: that the exchange or the beginning took.
        orphans: commands of processes that stayed.
        recovered: whether the exchange after it gave the right number; None if there was none.
    """

    fault: Fault
    verdict: Verdict
    words: str = ""
    seconds: float = 0.0
    orphans: tuple[str, ...] = ()
    recovered: bool | None = None

    @property
    def is_good(self) -> bool:
        """Whether all is as it must be."""
        ended_well = self.verdict in (Verdict.RIGHT, Verdict.NAMED, Verdict.KILLED)
        return ended_well and not self.orphans and self.recovered is not False


def drawn(rng: np.random.Generator, count: int, kinds: Sequence[Kind] = KINDS) -> list[Fault]:
    """Faults in random order: every kind as often as the others, give or take one."""
    faults: list[Fault] = []
    while len(faults) < count:
        for number in rng.permutation(len(kinds)):
            hospital, begin = NAMES[rng.integers(len(NAMES))], rng.uniform() < 0.3
            kind = kinds[number]
            moment, luck = rng.uniform(), rng.uniform()
            moment = 0.0 if kind.waits else moment
            faults.append(Fault(kind, hospital, kind.begins and begin, moment, luck))
    return faults[:count]


def verdict(fault: Fault, said: Said | None, expected: Parts, *, has_ended: bool) -> Verdict:
    """How the run ended, by what the hub's process said, or by its having ended."""
    if said is None:
        was_killed = fault.kind.blame is Blame.KILLED and has_ended
        return Verdict.KILLED if was_killed else Verdict.HANG
    if not said.error:
        return Verdict.RIGHT if said.parts == expected else Verdict.WRONG
    if said.error not in ("FederationError", "RefusalError"):
        return Verdict.UNNAMED
    named = set(_NAMED.findall(said.words)) & set(NAMES)
    if fault.kind.blame is Blame.HOSPITAL and named == {fault.hospital}:
        return Verdict.NAMED
    of_all = named in (set(), set(NAMES)) or said.words.startswith(_STOOD_STILL)
    blames_hub = of_all and said.words.startswith(_HUB)
    if fault.kind.blame is Blame.HUB and blames_hub:
        return Verdict.NAMED
    return Verdict.UNNAMED


@dataclass
class Trials:
    """Faults in one network, one after the other.

    Args:
        deployment: the network.
        seconds: that hospitals have to answer.
        expected: the right sum of every column that is asked for.
        hub: the process that asks, while it lives.
        asked: exchanges of the run that is open; 0 if none is.
        usual: seconds that an exchange takes, by the last ones.
        number: of the exchange; each asks for another column than the one before.
    """

    deployment: Deployment
    seconds: float
    expected: Mapping[str, Parts]
    hub: Hub | None = None
    asked: int = 0
    usual: float = USUAL
    number: int = 0

    @classmethod
    def of(cls, cluster: Cluster, seconds: float) -> Trials:
        """The right numbers are those of the same hospitals in this process."""
        run = run_over(cluster.hospitals.in_process())
        return cls(Deployment(cluster), seconds, {term: asked(run, term) for term in NUMBERS})

    def run(self, faults: Sequence[Fault]) -> Iterator[Result]:
        """What came of each fault, with what the exchange after it showed.

        Raises:
            FederationError: without any fault, the network gives no right number.
        """
        try:
            if not self._is_right():
                raise FederationError("the network gives no right number before any fault")
            for fault in faults:
                result = self._struck(fault)
                for _ in range(TRIES - 1):
                    if result.verdict is Verdict.MISSED:
                        result = self._struck(fault)
                started = self.deployment.mend()
                # A run that goes on in spite of the fault is its own proof.
                proven = result.verdict is Verdict.RIGHT and self.asked and not started
                yield replace(result, recovered=bool(proven) or self._is_right())
            self._close_run()
        finally:
            self._end_hub()

    def _is_right(self) -> bool:
        """Whether an exchange without a fault gives the right number."""
        was_open = self.asked > 0
        said = self._ask().said(self._patience())
        if said is None or said.error or said.parts != self.expected[self._term]:
            self._close_run()
            return False
        if was_open:
            self.usual = (self.usual + said.seconds) / 2
        return True

    def _struck(self, fault: Fault) -> Result:
        """Let the fault strike, and judge what comes of it."""
        if fault.at_begin or self.asked >= EXCHANGES:
            self._close_run()
        hub = self._living_hub()
        scene = Scene(self.deployment, fault.hospital, hub, self.seconds, fault.luck)
        with fault.kind.around(scene):
            began, patience = time.monotonic(), self._patience()
            self._ask()
            time.sleep(fault.moment * self.usual)
            struck = fault.kind.strike(scene)
            said = hub.said(began + patience - time.monotonic())
        seconds = said.seconds if said else time.monotonic() - began
        ended = Verdict.MISSED
        if struck:
            ended = verdict(fault, said, self.expected[self._term], has_ended=self._hub_ended(said))
        # What strikes the hub, or who asks, may do so just after the last reply.
        if ended is not Verdict.RIGHT or fault.kind.blame in (Blame.HUB, Blame.KILLED):
            self._close_run()
        return Result(fault, ended, said.words if said else "", seconds, self._orphans())

    def _ask(self) -> Hub:
        self.number += 1
        self.asked += 1
        hub = self._living_hub()
        hub.order("ask", self._term)
        return hub

    def _patience(self) -> float:
        """Seconds in which the next exchange must have ended."""
        return self.seconds + GRACE + (0 if self.asked else BEGIN)

    def _living_hub(self) -> Hub:
        if self.hub is None:
            self.hub = Hub(self.deployment.cluster.environment, self.seconds)
        return self.hub

    def _hub_ended(self, said: Said | None) -> bool:
        return said is None and self.hub is not None and self.hub.has_ended()

    def _close_run(self) -> None:
        """Close the run that is open; a process that does not do so is ended."""
        self.asked = 0
        if self.hub is None:
            return
        self.hub.order("close")
        if self.hub.said(CLOSE) is None:
            self._end_hub()

    def _end_hub(self) -> None:
        if self.hub is not None:
            self.hub.end()
        self.hub = None

    def _orphans(self) -> tuple[str, ...]:
        """What stays although nobody needs it any more; it is ended then."""
        until = time.monotonic() + self.seconds + GONE
        while left := self._left():
            if time.monotonic() > until:
                commands = tuple(command(each) for each in left)
                for each in left:
                    with suppress(psutil.NoSuchProcess):
                        each.kill()
                return commands
            time.sleep(0.3)
        return ()

    def _left(self) -> list[psutil.Process]:
        # A program that was told to end may do so only now.
        self.deployment.end_what_ended_programs_left()
        return self.deployment.left(run_is_open=self.asked > 0)

    @property
    def _term(self) -> str:
        return NUMBERS[self.number % len(NUMBERS)]
