"""Numbers as whole numbers modulo 2^64, so that masks cancel exactly in their sum.

An entry x with the scale s of its part is the whole number round(x / q) with quantum q = s / 2^40.
Each addend is off by half a quantum at most: the sum over 1,000 hospitals by 5e-10 of the scale.
A sum of H addends fits if each is below 2^62 / H quanta, 4.2 million times the scale for H = 1.
Cells count persons: their scale is 1024 at least, so that 1,000 hospitals may have 4 million each.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pumasi.errors import QueryError
from pumasi.federation.query import Part
from pumasi.federation.rows import Floats

Words = NDArray[np.uint64]
FRACTION_BITS = 40
LIMIT_BITS = 62
COUNTS_SCALE = 1024.0


def quanta(parts: Sequence[Part]) -> Floats:
    """The quantum of every entry, shape (entries,)."""
    return np.concatenate([np.full(part.size, _scale(part)) for part in parts]) / 2.0**FRACTION_BITS


def _scale(part: Part) -> float:
    return part.scale if part.counts is None else max(part.scale, COUNTS_SCALE)


def encode(entries: Floats, parts: Sequence[Part], addends: int) -> Words:
    """Entries as words, to be summed with those of the others: `addends` in all.

    Raises:
        QueryError: an entry is too large for the scale that its part declares. No value is named.
    """
    counted = np.rint(entries / quanta(parts))
    too_large = np.abs(counted) >= 2.0**LIMIT_BITS / addends
    if too_large.any():
        names = np.concatenate([np.full(part.size, part.name) for part in parts])
        found = ", ".join(sorted(set(names[too_large])))
        raise QueryError(f"{found}: too large to be summed; ask with a larger scale")
    return counted.astype(np.int64).view(np.uint64)


def decode(words: Words, parts: Sequence[Part]) -> Floats:
    """The entries that words, or a sum of words, stand for."""
    return words.view(np.int64).astype(np.float64) * quanta(parts)
