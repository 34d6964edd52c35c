"""The network as an estimator sees it: sums over hospitals, and, for tables, each one's answer.

One class asks; what carries the messages (a process, Flower, a record of an earlier run) is a
`Transport`. An estimator of one model takes `Totals`, which has no way to ask for one hospital.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import uuid4

import numpy as np

from pumasi.errors import FederationError, SuppressedError
from pumasi.federation.cells import LIMITS, Limits, may_be_shown, merged
from pumasi.federation.fixed_point import Words, decode
from pumasi.federation.messages import Mode, Privacy, Reply, Request, entries_of
from pumasi.federation.query import Query, unflatten
from pumasi.federation.rows import Floats


@dataclass(frozen=True)
class Total:
    """The sum of the hospitals' answers to a query; addends it has none.

    Made by `Total.of` only, which refuses what may not be shown.
    """

    query: Query
    contributors: tuple[str, ...]
    parts: Mapping[str, Floats]

    @classmethod
    def of(
        cls, query: Query, contributors: Sequence[str], entries: Floats, limits: Limits
    ) -> Total:
        """The total of `entries`, shape (entries,).

        Raises:
            SuppressedError: fewer contributors than the limit, or a cell counts fewer persons. The
                message says which cells, never how many.
        """
        if len(contributors) < limits.contributors:
            raise SuppressedError(
                f"a sum needs {limits.contributors} hospitals, {len(contributors)} were asked"
            )
        parts = merged(query.parts(), unflatten(query.parts(), entries), limits)
        reached = {
            part.name: may_be_shown(part, parts[part.name], limits)
            for part in query.parts()
            if part.counts is not None
        }
        screens = {part.name for part in query.parts() if part.screens}
        small = [name for name, enough in reached.items() if not (enough.all() or name in screens)]
        if small:
            raise SuppressedError(
                f"query {query.name}: fewer persons than may be shown in {', '.join(small)}; "
                "suppressed is not zero"
            )
        verdicts = {name: reached[name].astype(np.float64) for name in screens}
        return cls(query, tuple(contributors), query.shown({**parts, **verdicts}))

    def __getitem__(self, name: str) -> Floats:
        return self.parts[name]

    def number(self, name: str) -> float:
        """A part that is one number."""
        return float(self.parts[name])


@dataclass(frozen=True)
class Answer:
    """One hospital's own answer to a query."""

    query: Query
    hospital: str
    parts: Mapping[str, Floats]

    def __getitem__(self, name: str) -> Floats:
        return self.parts[name]


class Totals(Protocol):
    """What an estimator of one model may ask: sums, and nothing of one hospital."""

    def total(self, queries: Sequence[Query]) -> list[Total]:
        """Ask all hospitals in one exchange and return the sum of the answers to each query.

        Raises:
            SuppressedError: a sum is over too few persons.
            FederationError: a hospital refused, or did not answer.
        """
        ...


class NoisyTotals(Protocol):
    """What an estimator on noisy sums may ask, and nothing exact."""

    def noisy_total(self, queries: Sequence[Query], privacy: Privacy) -> list[Total]:
        """As `Totals.total`; every hospital adds noise, and spends what `privacy` says.

        Raises:
            RefusalError: a hospital's budget is spent, or it answers with no noise.
            FederationError: a hospital did not answer.
        """
        ...


class Network(Totals, Protocol):
    """What a table of hospitals, or an analysis of their estimates, may ask besides."""

    def each(self, queries: Sequence[Query]) -> list[list[Answer]]:
        """Ask all hospitals in one exchange and return the hospitals' answers to each query.

        A hospital that refuses, as it must where too few persons would be counted, is left out;
        `refusals` says why.

        Raises:
            FederationError: a hospital did not answer.
        """
        ...

    @property
    def refusals(self) -> Mapping[str, str]:
        """The codes of the hospitals that refused to answer in their own name."""
        ...

    @property
    def id(self) -> str:
        """Identifies the run."""
        ...

    @property
    def exchanges(self) -> int:
        """How many there were."""
        ...

    @property
    def limits(self) -> Limits:
        """The fewest that a sum may be over."""
        ...

    @property
    def releases(self) -> Mapping[str, str]:
        """The release that each hospital answered from."""
        ...

    @property
    def heads(self) -> Mapping[str, str]:
        """The end of each hospital's audit log with its last answer."""
        ...


class Transport(Protocol):
    """What carries messages to hospitals and back."""

    @property
    def hospitals(self) -> tuple[str, ...]:
        """Who is reached, sorted."""
        ...

    def carry(self, message: bytes) -> Mapping[str, bytes]:
        """Send one message to all and return the reply of each.

        Raises:
            FederationError: one did not answer; it is named.
        """
        ...


@dataclass(frozen=True)
class InProcess:
    """Hospitals in this process: what answers a message, by the name of the hospital."""

    answering: Mapping[str, Callable[[bytes], bytes]]

    @property
    def hospitals(self) -> tuple[str, ...]:
        """Who is reached, sorted."""
        return tuple(sorted(self.answering))

    def carry(self, message: bytes) -> dict[str, bytes]:
        """Send one message to all and return the reply of each."""
        return {name: self.answering[name](message) for name in self.hospitals}


class Run:
    """The exchanges of one run, numbered; the network of whoever estimates.

    `releases` are those that the hospitals answered from, the same throughout a run, and `heads`
    the ends of their audit logs with the last answer of each: anchors for whoever verifies a log.

    Args:
        transport: what carries the messages.
        subject: the task or study whose rows are asked for.
        masked: whether addends of totals are hidden.
        limits: the fewest that a sum may be over.
        run: identifies the run; None for a new one. Of an earlier one, to go on or to be replayed.
    """

    def __init__(
        self,
        transport: Transport,
        subject: str,
        *,
        masked: bool = True,
        limits: Limits = LIMITS,
        run: str | None = None,
    ) -> None:
        self.transport = transport
        self.subject = subject
        self.masked = masked
        self.limits = limits
        self.id = run or uuid4().hex
        self.exchanges = 0
        self.releases: dict[str, str] = {}
        self.heads: dict[str, str] = {}
        self.refusals: dict[str, str] = {}

    def total(self, queries: Sequence[Query]) -> list[Total]:
        """As `Totals.total`."""
        return self._summed(queries, None)

    def noisy_total(self, queries: Sequence[Query], privacy: Privacy) -> list[Total]:
        """As `NoisyTotals.noisy_total`."""
        return self._summed(queries, privacy)

    def _summed(self, queries: Sequence[Query], privacy: Privacy | None) -> list[Total]:
        mode = Mode.MASKED if self.masked else Mode.CLEAR
        answers = self._asked(mode, queries, privacy)
        words = np.asarray(np.sum(list(answers.values()), axis=0, dtype=np.uint64))
        if privacy is None:
            words = entries_of(words)
        return [
            Total.of(query, self.transport.hospitals, entries, self.limits)
            for query, entries in _split(queries, words)
        ]

    def each(self, queries: Sequence[Query]) -> list[list[Answer]]:
        """As `Network.each`; `refusals` are of this exchange."""
        self.refusals = {}
        answers = self._asked(Mode.EACH, queries)
        by_hospital = {name: _split(queries, words) for name, words in answers.items()}
        return [
            [
                Answer(query, name, unflatten(query.parts(), found[number][1]))
                for name, found in by_hospital.items()
            ]
            for number, query in enumerate(queries)
        ]

    def _asked(
        self, mode: Mode, queries: Sequence[Query], privacy: Privacy | None = None
    ) -> dict[str, Words]:
        self.exchanges += 1
        hospitals = self.transport.hospitals
        request = Request.of(
            self.id, self.exchanges, self.subject, mode, hospitals, queries, privacy, self.limits
        )
        replies = self.transport.carry(request.to_bytes())
        if missing := sorted(set(hospitals) - set(replies)):
            raise FederationError(f"no reply of {', '.join(missing)}: there is no sum without all")
        opened, length = {}, request.length(queries)
        for name in hospitals:
            reply = Reply.from_bytes(replies[name], name, request)
            if mode is Mode.EACH and reply.refusal:
                self.refusals[name] = reply.refusal
                continue
            opened[name] = reply.opened(length)
            self._note(name, reply)
        return opened

    def _note(self, name: str, reply: Reply) -> None:
        if self.releases.setdefault(name, reply.release) != reply.release:
            raise FederationError(
                f"{name}: it answered from another release than before; start the run again"
            )
        self.heads[name] = reply.head


def _split(queries: Sequence[Query], words: Words) -> list[tuple[Query, Floats]]:
    """Each query with the entries that are its own."""
    found, start = [], 0
    for query in queries:
        parts = query.parts()
        size = sum(part.size for part in parts)
        found.append((query, decode(words[start : start + size], parts)))
        start += size
    return found
