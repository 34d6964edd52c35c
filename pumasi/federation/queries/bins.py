"""Rows counted in bins of declared bounds, whose neighbours are merged before anybody sees them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pumasi.errors import QueryError
from pumasi.federation.query import Counts, Kind, Part, Query, register
from pumasi.federation.rows import Floats, Rows, product

MOST_BINS = 10_000


@register
class Histogram(Query):
    """Rows by bin of a column, in one or several parts of its range.

    A value beyond the bounds counts as the bound. A segment (low, high] is cut into bins of one
    width, which are open below and closed above; the lowest bound belongs to its first bin. Bins of
    one segment are merged, never across segments: whoever knows what a segment holds in all learns
    no smaller bin by difference.

    Args:
        column: a column, or a product of columns.
        bounds: of the range, declared by whoever asks.
        segments: parts of the range that do not overlap.
        bins: how many a segment has.

    Parts: `persons`; for segment i `persons_<i>`, shares of persons by bin, by which neighbours are
    merged, `rows_<i>`, and `places_<i>` and `squares_<i>`, sums of place and of its square, where
    the place of a row is 0 to 1 within the segment; each of shape (bins,). A person's rows share
    the person.
    """

    name: ClassVar[str] = "histogram"
    kind: ClassVar[Kind] = Kind.DESCRIPTIVE

    column: str
    bounds: tuple[float, float]
    segments: tuple[tuple[float, float], ...]
    bins: int

    def parts(self) -> tuple[Part, ...]:
        """See the class."""
        self._require_sound()
        found = [Part("persons", (), counts=Counts.PERSONS)]
        for i in range(len(self.segments)):
            by = f"persons_{i}"
            found.append(Part(by, (self.bins,), counts=Counts.PERSONS, merged_by=by))
            for name in ("rows", "places", "squares"):
                found.append(Part(f"{name}_{i}", (self.bins,), merged_by=by))
        return tuple(found)

    def compute(self, rows: Rows) -> Mapping[str, Floats]:
        """See the class."""
        values = np.clip(product(rows, self.column), *self.bounds)
        share = shares(rows)
        found: dict[str, Floats] = {"persons": np.asarray(rows.persons(), dtype=np.float64)}
        for i, (low, high) in enumerate(self.segments):
            lowest = (values == low) & (low == self.bounds[0])
            within = ((values > low) & (values <= high)) | lowest
            inner = edges(low, high, self.bins)[1:-1]
            number = np.searchsorted(inner, values[within], side="left")
            place = (values[within] - low) / (high - low)
            of = {"persons": share[within], "rows": place**0, "places": place, "squares": place**2}
            for name, summed in of.items():
                counted = np.bincount(number, summed, minlength=self.bins)
                found[f"{name}_{i}"] = counted.astype(np.float64)
        return found

    def _require_sound(self) -> None:
        """Raises QueryError if segments overlap or are out of bounds, or bins are too many."""
        ends = [end for segment in sorted(self.segments) for end in segment]
        if not 1 <= self.bins <= MOST_BINS or len(self.segments) * self.bins > 10 * MOST_BINS:
            raise QueryError(f"a segment has 1 to {MOST_BINS} bins")
        if ends != sorted(ends) or any(low >= high for low, high in self.segments):
            raise QueryError("segments overlap, or have no width")
        if ends and not self.bounds[0] <= ends[0] <= ends[-1] <= self.bounds[1]:
            raise QueryError("segments lie within the bounds")


def edges(low: float, high: float, bins: int) -> Floats:
    """Edges of the bins of a segment, shape (bins + 1,), the same wherever they are computed."""
    found = low + (high - low) * (np.arange(bins + 1) / bins)
    found[-1] = high
    return found


def shares(rows: Rows) -> Floats:
    """What each row is of its person, 1 by the number of the person's rows, shape (n,).

    Shares that sum to a minimum are of at least as many persons, wherever the other rows are.
    """
    _, number, count = np.unique(rows.person, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / count[number]) if len(rows) else np.zeros(0)


def merged(counted: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Last bins of what a total merged, and what is in each: shapes (groups,) and (..., groups)."""
    last = np.flatnonzero(~np.isnan(counted.reshape(-1, counted.shape[-1])[0]))
    return last, counted[..., last]
