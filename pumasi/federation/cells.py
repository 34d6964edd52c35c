"""Cells that count persons: how few may be shown, and bins that are merged until they may.

What a sum counts is judged before it is stored, shown or given to an estimator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pumasi.federation.query import Counts, Part
from pumasi.federation.rows import Bools, Floats

Parts = Mapping[str, Floats]


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


def may_be_shown(part: Part, counted: Floats, limits: Limits) -> Bools:
    """Which cells of a part reach the minimum, or count nobody where that passes."""
    # Counts are whole: half a person is room for nothing but the fixed point. A sum of shares of
    # persons counts more persons than it is, so that it reaches no minimum that they don't. What
    # is nan was merged into a later bin.
    minimum = limits.of(part.counts or Counts.PERSONS)
    enough = np.isnan(counted) | (counted > minimum - 0.5)
    return np.asarray(enough | (counted < 0.5) if part.none_passes else enough)


def merged(parts: Sequence[Part], values: Parts, limits: Limits) -> dict[str, Floats]:
    """The values of a query's parts, with bins merged where a part says so."""
    spans = [part for part in parts if part.spans]
    return {**values, **_merged_bins(parts, values, limits), **_merged_spans(spans, values, limits)}


def _merged_bins(parts: Sequence[Part], values: Parts, limits: Limits) -> dict[str, Floats]:
    """Parts that are merged by the cells of another."""
    by_name = {part.name: part for part in parts}
    found = {}
    for part in parts:
        if part.merged_by is not None:
            last = _last_bins(by_name[part.merged_by], values[part.merged_by], limits)
            summed = np.add.reduceat(values[part.name], np.append(0, last[:-1] + 1), axis=-1)
            found[part.name] = np.full(part.shape, np.nan)
            found[part.name][..., last] = summed
    return found


def _last_bins(part: Part, counted: Floats, limits: Limits) -> NDArray[np.int64]:
    """The last bin of each merged one, from the lowest; all bins if no cell reaches the minimum."""
    cells = counted.reshape(-1, counted.shape[-1])
    so_far, last = np.zeros(len(cells)), []
    for number in range(cells.shape[1]):
        so_far = so_far + cells[:, number]
        if may_be_shown(part, so_far, limits).all():
            last.append(number)
            so_far = np.zeros(len(cells))
    # What is left at the upper end belongs to the last bin that reached the minimum.
    return np.array([*last[:-1], cells.shape[1] - 1])


def _merged_spans(parts: Sequence[Part], counted: Parts, limits: Limits) -> dict[str, Floats]:
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
