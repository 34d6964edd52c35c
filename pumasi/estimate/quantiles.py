"""Quantiles of a column over hospitals, from histograms that are refined where the quantiles lie.

The quantile of p is the smallest value v with F(v) >= p, F the distribution of all rows (type 1 of
Hyndman and Fan, The American Statistician 1996;50:361-365). First exchange: rows by bin of a grid
between bounds that whoever asks declares; they are never taken from the data, whose extremes are
somebody's values. A value beyond a bound counts as the bound, which moves no quantile within. Each
further exchange cuts the bins in which the quantiles lie into as many again; three are the most.

Neighbouring bins are merged until each has the minimum of persons, first and refined bins alike,
and refined ones within what was shown before. So no count is small, nor the difference of two
counts. F is exact at the edges of merged bins. Within one mean m and standard deviation s are
known, too: the quantile of the part q of its rows is above m - s sqrt((1 - q) / q) and below
m + s sqrt(q / (1 - q)) (Cantelli's inequality), so that a value that many persons share is found
however wide the bin is around it. What is given is interpolated between the nearer bounds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pumasi.errors import EstimationError
from pumasi.federation.network import Totals
from pumasi.federation.queries import Histogram
from pumasi.federation.queries.bins import edges, merged
from pumasi.federation.rows import ALL_PERSONS, Floats, Keys

MOST_EXCHANGES = 3
# Room for the sum of shares of rows, far below one row.
ROOM = 1e-6
# By what sums of a thousand hospitals, exact to half a quantum each, may move a variance of places.
ROUNDING = 2.0**-31


@dataclass(frozen=True)
class Quantiles:
    """What is asked for.

    Args:
        column: a column, or a product of columns.
        bounds: between which its values are expected; declared, not looked up.
        probabilities: above 0 and below 1.
        bins: into how many a bin is cut at each exchange.
        keys: persons whose rows are meant.
    """

    column: str
    bounds: tuple[float, float]
    probabilities: tuple[float, ...] = (0.25, 0.5, 0.75)
    bins: int = 100
    keys: Keys = ALL_PERSONS


@dataclass(frozen=True)
class QuantilesResult:
    """Quantiles by probability, shape (k,): each lies between `lower` and `upper`.

    `error` is how far `value` is from
    the quantile at most.
    """

    probabilities: tuple[float, ...]
    value: Floats
    lower: Floats
    upper: Floats
    exchanges: int

    @property
    def error(self) -> Floats:
        """Bound of the error, shape (k,)."""
        return np.maximum(self.value - self.lower, self.upper - self.value)


@dataclass(frozen=True)
class _Bin:
    """A merged bin (low, high], the rows below it, and those within with their moments."""

    low: float
    high: float
    below: float = 0.0
    within: float = 0.0
    mean: float = 0.0
    deviation: float = 0.0

    def between(self, rows: float) -> tuple[float, float]:
        """Between which values the quantile lies, at which there are so many rows."""
        q = min(max((rows - self.below) / self.within, 0.0), 1.0)
        low = -np.inf if q <= 0 else self.mean - self.deviation * np.sqrt((1 - q) / q)
        high = np.inf if q >= 1 else self.mean + self.deviation * np.sqrt(q / (1 - q))
        return max(self.low, float(low)), min(self.high, float(high))

    def evenly(self, rows: float) -> float:
        """The quantile if the rows were spread evenly."""
        q = min(max((rows - self.below) / self.within, 0.0), 1.0)
        return self.low + (self.high - self.low) * q


def quantiles(network: Totals, asked: Quantiles) -> QuantilesResult:
    """The quantiles of the network.

    Raises:
        EstimationError: probabilities or bounds are out of order.
        SuppressedError: too few persons.
        FederationError: a hospital refused, or did not answer.
    """
    if not asked.bounds[0] < asked.bounds[1]:
        raise EstimationError("the lower bound must be below the upper one")
    if not asked.probabilities or not all(0 < p < 1 for p in asked.probabilities):
        raise EstimationError("probabilities lie above 0 and below 1")
    bins = _refined(network, asked, [_Bin(*asked.bounds)])
    rows = sum(each.within for each in bins)
    exchanges = 1
    holding = [_holding(bins, p * rows) for p in asked.probabilities]
    while exchanges < MOST_EXCHANGES:
        segments = sorted(set(holding), key=lambda each: each.low)
        finer = _refined(network, asked, segments)
        exchanges += 1
        holding = [_holding(finer, p * rows) for p in asked.probabilities]
        if set(finer) == set(segments):
            break
    wanted = [(p * rows, each) for p, each in zip(asked.probabilities, holding, strict=True)]
    lower, upper = np.array([each.between(at) for at, each in wanted]).T
    value = np.clip([each.evenly(at) for at, each in wanted], lower, upper)
    return QuantilesResult(asked.probabilities, value, lower, upper, exchanges)


def _refined(network: Totals, asked: Quantiles, segments: list[_Bin]) -> list[_Bin]:
    """One exchange: the segments in merged bins, from the lowest."""
    query = Histogram(
        column=asked.column,
        bounds=asked.bounds,
        segments=tuple((each.low, each.high) for each in segments),
        bins=asked.bins,
        keys=asked.keys,
    )
    [total] = network.total([query])
    found = []
    for i, segment in enumerate(segments):
        last, rows = merged(total[f"rows_{i}"])
        mean = merged(total[f"places_{i}"])[1] / rows
        variance = merged(total[f"squares_{i}"])[1] / rows - mean**2
        deviation = np.sqrt(np.maximum(variance, 0.0) + ROUNDING)
        width = segment.high - segment.low
        at = edges(segment.low, segment.high, asked.bins)[np.append(0, last + 1)]
        below = segment.below + np.append(0.0, np.cumsum(rows))
        found += [
            _Bin(
                low=float(at[j]),
                high=float(at[j + 1]),
                below=float(below[j]),
                within=float(rows[j]),
                mean=segment.low + width * float(mean[j]),
                deviation=width * float(deviation[j]),
            )
            for j in range(len(rows))
        ]
    return found


def _holding(bins: list[_Bin], rows: float) -> _Bin:
    """The first bin at whose upper edge there are as many rows."""
    return next(each for each in bins if each.below + each.within >= rows - ROOM)
