"""Answers with noise: what one person can change is bounded, and hidden by a discrete Gaussian.

A person's contribution, all rows together and each entry in its unit, is shortened to a length of
`clip` at most; the sum over persons then changes by at most `clip` when a person comes or
goes with all rows (sensitivity in the Euclidean norm). Noise with standard deviation
clip / sqrt(2 rho) gives rho-zero-concentrated differential privacy (Bun and Steinke, TCC 2016,
proposition 1.6; discrete Gaussian: Canonne, Kamath and Steinke, NeurIPS 2020). Every hospital adds
enough for its own guarantee: whoever knows the other addends learns no more.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pumasi.errors import QueryError
from pumasi.federation.fixed_point import LIMIT_BITS, Words, quanta
from pumasi.federation.query import Part
from pumasi.federation.rows import Floats
from pumasi.federation.zcdp import deviation

Whole = NDArray[np.int64]
# Persons whose contributions have to fit wherever a clip is allowed.
ROOM = 2**18


def private_words(contributions: Floats, parts: tuple[Part, ...], clip: float, rho: float) -> Words:
    """The noisy sum of the persons' contributions, as words of a total.

    Args:
        contributions: one row a person, shape (persons, entries).
        parts: of the answer, with the units of their entries.
        clip: longest contribution, in these units.
        rho: what is spent.

    Raises:
        QueryError: the sum can't be sent as fixed point.
    """
    bounds = clip * units(parts)
    # Half of the room is left to the noise: it would have to be beyond 10^5 standard deviations.
    # Who may choose the clip could find out, and spend nothing, how many persons there are: so
    # there is room for as many, and at larger hospitals for the next power of two.
    room = max(ROOM, 2 ** int(np.ceil(np.log2(max(1, len(contributions))))))
    if room * bounds.max() >= 2.0 ** (LIMIT_BITS - 1):
        raise QueryError("too long a clip for the persons of a hospital: ask with larger scales")
    total = clipped(contributions, parts, clip).sum(axis=0, dtype=np.int64)
    for bound in np.unique(bounds):
        of = bounds == bound
        total[of] += noise(int(of.sum()), float(bound), rho)
    return np.asarray(total.view(np.uint64))


def units(parts: tuple[Part, ...]) -> Floats:
    """The unit of every entry in quanta of the fixed point, shape (entries,)."""
    return _in_units(parts) / quanta(parts)


def _in_units(parts: tuple[Part, ...]) -> Floats:
    return np.concatenate([np.full(part.size, part.unit) for part in parts])


def clipped(contributions: Floats, parts: tuple[Part, ...], clip: float) -> Whole:
    """Contributions in quanta, each row at most `clip` units long, shape (persons, entries).

    Who contributes no finite number contributes nothing: to refuse would tell that there is one.
    """
    finite = np.isfinite(contributions).all(axis=1, keepdims=True)
    in_units = np.where(finite, contributions, 0.0) / _in_units(parts)
    lengths = np.linalg.norm(in_units, axis=1)
    factor = np.minimum(1.0, np.divide(clip, lengths, out=np.ones_like(lengths), where=lengths > 0))
    # Towards zero: no row becomes longer by rounding.
    return np.asarray(
        np.trunc(in_units * factor[:, None] * units(parts) * (1 - 1e-12)), dtype=np.int64
    )


def noise(entries: int, bound: float, rho: float) -> Whole:
    """Discrete Gaussian noise, enough for a person's bound, shape (entries,)."""
    measurement = _gaussian(deviation(bound, rho))
    return np.asarray(measurement([0] * entries), dtype=np.int64)


def _gaussian(scale: float) -> Any:
    # Importing opendp takes four seconds: who answers without noise does not pay them.
    import opendp.prelude as dp

    dp.enable_features("contrib")
    space = (dp.vector_domain(dp.atom_domain(T=dp.i64)), dp.l2_distance(T=dp.i64))
    return dp.m.make_gaussian(*space, scale=scale)
