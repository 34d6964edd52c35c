"""When persons are followed, who is at risk when an event happens, and times on a shared grid."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy.sparse import csr_array

from pumasi.errors import QueryError
from pumasi.federation.queries.moments import as_flag
from pumasi.federation.rows import Bools, Floats, Rows

Indices = NDArray[np.int64]


class FollowUp(BaseModel):
    """Columns that say when a row is followed: over (start, stop], with the event at stop or not.

    A person may have several rows, one behind the other, whose covariates differ. Without `start`
    every row is followed from the beginning.

    Args:
        stop: column of the end.
        event: column of 0 and 1: whether the event happened at the end; or of the number of its
            cause, 0 for none, where causes are told apart.
        start: column of the beginning.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    stop: str
    event: str
    start: str | None = None

    def times(self, rows: Rows) -> tuple[Floats, Floats]:
        """Beginning, minus infinity without one, and end of each row, shape (n,).

        Raises:
            QueryError: a row ends before it begins, or when it does.
        """
        stop = rows.column(self.stop)
        if self.start is None:
            return np.full(len(rows), -np.inf), stop
        start = rows.column(self.start)
        if (start >= stop).any():
            raise QueryError(f"{self.stop} is not after {self.start} in every row")
        return start, stop

    def events(self, rows: Rows) -> Bools:
        """Whether the event happened at the end of each row, shape (n,).

        Raises:
            QueryError: the column has values besides 0 and 1.
        """
        return as_flag(rows, self.event)

    def causes(self, rows: Rows, causes: int) -> Indices:
        """The cause of the event of each row, 0 for none, shape (n,).

        Raises:
            QueryError: the column has values besides 0 to `causes`.
        """
        cause = rows.column(self.event)
        if not np.isin(cause, np.arange(causes + 1)).all():
            raise QueryError(f"{self.event} has values besides 0 to the number of causes")
        return cause.astype(np.int64)


class Grid(BaseModel):
    """Times that all hospitals share: interval j is (edges[j], edges[j + 1]].

    Every time is rounded up to the next edge. A row is at risk in the intervals between its rounded
    times, and its event happens in the last of them; who is followed beyond the last edge is
    followed to it, without event. A row that begins and ends between the same two edges is at risk
    in no interval; its event then belongs to the person's row before it, which ends, rounded, at
    the same edge. Nobody's follow-up may end at the first edge or before: such rows are left out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    edges: tuple[float, ...]

    @property
    def size(self) -> int:
        """m: the number of intervals."""
        return len(self.edges) - 1

    def interval(self, times: Floats) -> Indices:
        """The interval that holds each time, -1 at the first edge or before, m beyond the last.

        Raises:
            QueryError: the edges do not ascend.
        """
        if len(self.edges) < 2 or any(one >= other for one, other in pairwise(self.edges)):
            raise QueryError("a grid needs two edges or more that ascend")
        return np.searchsorted(np.asarray(self.edges), times) - 1

    def on_grid(
        self, person: Indices, start: Floats, stop: Floats, cause: Indices
    ) -> tuple[Indices, Indices, Indices]:
        """At risk in the intervals `first` to `last` - 1, with an event of `cause` in the last.

        Args:
            person: whose each row is, shape (n,), as all others.
            start: beginning.
            stop: end.
            cause: number of the event, 0 for none.

        Returns:
            first, last and cause, each of shape (n,); last <= first if a row is in no interval.

        Raises:
            QueryError: the edges do not ascend.
        """
        first, rounded = self.interval(start) + 1, self.interval(stop) + 1
        last = np.minimum(rounded, self.size)
        cause = np.where(rounded > self.size, 0, cause)
        nowhere = last <= first
        moved = np.flatnonzero(nowhere & (cause > 0) & (rounded > 0))
        key = person * (self.size + 2) + rounded
        carriers = np.flatnonzero(~nowhere & (cause == 0) & (rounded <= self.size))
        carriers = carriers[np.argsort(key[carriers], kind="stable")]
        at = np.searchsorted(key[carriers], key[moved])
        found = np.flatnonzero(at < len(carriers))
        found = found[key[carriers[at[found]]] == key[moved[found]]]
        cause[carriers[at[found]]] = cause[moved[found]]
        return first, last, np.where(nowhere, 0, cause)


class RiskSets:
    """Which of n rows are at risk at each of K times: a row is at `first` to `last` - 1.

    The times are the leaves of a tree whose nodes sum what is below them. A row's span is the union
    of at most 2 log2 K nodes, so sums over spans are sums of addends of one sign: the difference of
    cumulative sums, which is the usual way, loses digits where many enter late or few remain
    (Therneau, survival, vignette "Cox models: computation").

    Args:
        first: number of the first time of each row, shape (n,).
        last: one more than that of the last, shape (n,).
        times: K.
    """

    def __init__(self, first: Indices, last: Indices, times: int) -> None:
        self.times = times
        self.leaves = 1 << max(times - 1, 0).bit_length()
        low, high = first + self.leaves, np.maximum(first, last) + self.leaves
        rows, nodes = [], []
        while (inside := low < high).any():
            left = inside & (low % 2 == 1)
            rows.append(np.flatnonzero(left))
            nodes.append(low[left])
            right = inside & (high % 2 == 1)
            rows.append(np.flatnonzero(right))
            nodes.append(high[right] - 1)
            low, high = (low + left) // 2, (high - right) // 2
        row = np.concatenate(rows) if rows else np.array([], dtype=np.int64)
        node = np.concatenate(nodes) if nodes else np.array([], dtype=np.int64)
        shape = (2 * self.leaves, len(first))
        self._spans: Any = csr_array((np.ones(len(row)), (node, row)), shape=shape)

    def at_risk(self, values: Floats) -> Floats:
        """Sums of `values`, shape (n, k), over the rows at risk at each time, shape (K, k)."""
        sums = np.asarray(self._spans @ values)
        level = 1
        while level < self.leaves:
            sums[2 * level : 4 * level] += np.repeat(sums[level : 2 * level], 2, axis=0)
            level *= 2
        return sums[self.leaves : self.leaves + self.times]

    def over_times(self, values: Floats) -> Floats:
        """Sums of `values`, shape (K, k), over the times at which each row is at risk, (n, k)."""
        sums = np.zeros((2 * self.leaves, values.shape[1]))
        sums[self.leaves : self.leaves + self.times] = values
        level = self.leaves // 2
        while level >= 1:
            below = sums[2 * level : 4 * level]
            sums[level : 2 * level] = below[::2] + below[1::2]
            level //= 2
        return np.asarray(self._spans.T @ sums)


def risk_sets(
    start: Floats, stop: Floats, event: Bools, stratum: Indices
) -> tuple[RiskSets, Indices]:
    """Who is at risk at each distinct time of an event, in each stratum apart.

    Args:
        start: beginning of each row, shape (n,), as all others.
        stop: end.
        event: whether it happened at the end.
        stratum: numbers of the strata, from 0.

    Returns:
        the risk sets, and for each row with the event, in order, the number of its time.
    """
    times = np.unique(stop[event])
    # One number for a stratum and a time of it: those of a stratum are behind each other.
    base = stratum * max(len(times), 1)
    of_event = base[event] + np.searchsorted(times, stop[event])
    distinct, number = np.unique(of_event, return_inverse=True)
    first = np.searchsorted(distinct, base + np.searchsorted(times, start, side="right"))
    last = np.searchsorted(distinct, base + np.searchsorted(times, stop, side="right"))
    return RiskSets(first, last, len(distinct)), number


def add_up(number: Indices, values: Floats, size: int) -> Floats:
    """Sums of `values`, shape (n, k), of each number from 0 to `size` - 1, shape (size, k)."""
    columns = [np.bincount(number, weights=each, minlength=size) for each in values.T]
    return np.column_stack(columns) if columns else np.zeros((size, 0))
