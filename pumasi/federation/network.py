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
from pumasi.federation.fixed_point import Words, decode
from pumasi.federation.messages import Mode, Reply, Request, all_parts
from pumasi.federation.query import Counts, Part, Query, unflatten
from pumasi.federation.rows import Bools, Floats


@dataclass(frozen=True)
class Limits:
    """The fewest that a sum may be over, before anybody sees it.

    `outcome` is of persons with (or without) an outcome: an approval may lower it to 3 for sums.
    `contributors` are hospitals; a pool of simulated data is one.
    """

    persons: int = 10
    outcome: int = 10
    contributors: int = 3

    def of(self, counts: Counts) -> int:
        """The fewest persons of a cell."""
        return self.outcome if counts is Counts.OUTCOME else self.persons


LIMITS = Limits()


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
        parts = unflatten(query.parts(), entries)
        parts |= _merged([part for part in query.parts() if part.spans], parts, limits)
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
        return cls(query, tuple(contributors), {**parts, **verdicts})

    def __getitem__(self, name: str) -> Floats:
        return self.parts[name]

    def number(self, name: str) -> float:
        """A part that is one number."""
        return float(self.parts[name])


def may_be_shown(part: Part, counted: Floats, limits: Limits) -> Bools:
    """Which cells of a part reach the minimum, or count nobody where that passes."""
    # Counts are whole: half a person is room for nothing but the fixed point. What is nan was
    # merged into a later bin.
    minimum = limits.of(part.counts or Counts.PERSONS)
    enough = np.isnan(counted) | (counted > minimum - 0.5)
    return enough | (counted < 0.5) if part.none_passes else enough


def _merged(
    parts: Sequence[Part], counted: Mapping[str, Floats], limits: Limits
) -> dict[str, Floats]:
    """Parts of spans, each of shape (..., m, m), by their merged bins, each of shape (..., m)."""
    if not parts:
        return {}
    m = parts[0].shape[-1]
    passes = np.ones((m, m), dtype=bool)
    for part in parts:
        passes &= may_be_shown(part, counted[part.name], limits).reshape(-1, m, m).all(axis=0)
    bins, start = [], 0
    while start < m and passes[start, start:].any():
        end = start + int(np.argmax(passes[start, start:]))
        bins.append((start, end))
        start = end + 1
    # What is left at the end belongs to the last; if none may be shown, all is one.
    bins = [*bins[:-1], (bins[-1][0] if bins else 0, m - 1)]
    found = {}
    for part in parts:
        found[part.name] = np.full(part.shape[:-1], np.nan)
        for first, last in bins:
            found[part.name][..., last] = counted[part.name][..., first, last]
    return found


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


class Network(Totals, Protocol):
    """What a table of hospitals, or an analysis of their estimates, may ask besides."""

    def each(self, queries: Sequence[Query]) -> list[list[Answer]]:
        """Ask all hospitals in one exchange and return every hospital's answer to each query.

        Raises:
            FederationError: a hospital refused, or did not answer.
        """
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

    Args:
        transport: what carries the messages.
        subject: the task or study whose rows are asked for.
        masked: whether addends of totals are hidden.
        limits: the fewest that a sum may be over.
    """

    def __init__(
        self, transport: Transport, subject: str, *, masked: bool = True, limits: Limits = LIMITS
    ) -> None:
        self.transport = transport
        self.subject = subject
        self.masked = masked
        self.limits = limits
        self.id = uuid4().hex
        self.exchanges = 0

    def total(self, queries: Sequence[Query]) -> list[Total]:
        """As `Totals.total`."""
        answers = self._asked(Mode.MASKED if self.masked else Mode.CLEAR, queries)
        words = np.asarray(np.sum(list(answers.values()), axis=0, dtype=np.uint64))
        return [
            Total.of(query, self.transport.hospitals, entries, self.limits)
            for query, entries in _split(queries, words)
        ]

    def each(self, queries: Sequence[Query]) -> list[list[Answer]]:
        """As `Network.each`."""
        answers = self._asked(Mode.EACH, queries)
        by_hospital = {name: _split(queries, words) for name, words in answers.items()}
        return [
            [
                Answer(query, name, unflatten(query.parts(), found[number][1]))
                for name, found in by_hospital.items()
            ]
            for number, query in enumerate(queries)
        ]

    def _asked(self, mode: Mode, queries: Sequence[Query]) -> dict[str, Words]:
        self.exchanges += 1
        hospitals = self.transport.hospitals
        request = Request.of(self.id, self.exchanges, self.subject, mode, hospitals, queries)
        replies = self.transport.carry(request.to_bytes())
        if missing := sorted(set(hospitals) - set(replies)):
            raise FederationError(f"no reply of {', '.join(missing)}: there is no sum without all")
        parts = all_parts(queries)
        return {
            name: Reply.from_bytes(replies[name], name, request).opened(parts) for name in hospitals
        }


def _split(queries: Sequence[Query], words: Words) -> list[tuple[Query, Floats]]:
    """Each query with the entries that are its own."""
    found, start = [], 0
    for query in queries:
        parts = query.parts()
        size = sum(part.size for part in parts)
        found.append((query, decode(words[start : start + size], parts)))
        start += size
    return found
