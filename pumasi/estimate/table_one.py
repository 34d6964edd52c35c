"""Baseline characteristics by group, with standardised mean differences, from sums over hospitals.

Numbers of persons, means and variances of columns, proportions of levels, and how far two groups
are apart: (m1 - m0) / sqrt((v1 + v0) / 2) of a column and of one level (Austin, Statistics in
Medicine 2009;28:3083-3107), and of c levels sqrt(d' S^-1 d), where d holds the differences of c - 1
proportions and S the mean of their two multinomial covariances (Yang and Dalton, SAS Global Forum
2012, paper 335). With case weights all are weighted, variances as Austin and Stuart, Statistics in
Medicine 2015;34:3661-3679. Rows are averaged; a person with several counts as one in the minimum.

First exchange: means by which columns are centred, and verdicts. Second: sums of what may be shown.

What is shown has no small cell and no difference that is one:
- of a column with levels every level is a cell, in every group, also the one that is usually left
  out of a table: total minus shown levels, and total minus a group, are cells that were judged.
  If one is small the whole column is suppressed, and the table says so; the others are shown.
- of two levels of different columns that nearly the same persons have, the difference of the counts
  could tell of those few: where fewer persons than the minimum have one and not the other, the
  later column is suppressed. A level that is nearly the opposite of another is caught likewise,
  since all levels are compared.
- a group that is too small refuses the table: there is nothing to compare.
What three columns together tell, one being the sum of two others, is not looked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pumasi.errors import EstimationError
from pumasi.federation.network import Total, Totals
from pumasi.federation.queries import GroupMoments, Levels, Moments
from pumasi.federation.query import Query
from pumasi.federation.rows import ALL_PERSONS, Bools, Design, Floats, Keys

FLAG = (0.0, 1.0)


@dataclass(frozen=True)
class TableOne:
    """What to describe.

    Args:
        means: columns, or products of them, of which means are asked for.
        levels: columns of which proportions are asked for, each with its levels.
        group: column of 0 and 1; None for one group of all.
        weights: column of case weights.
        keys: persons who are described.
        magnitude: size that the columns are expected to have.
    """

    means: tuple[str, ...] = ()
    levels: dict[str, tuple[float, ...]] = field(default_factory=dict)
    group: str | None = None
    weights: str | None = None
    keys: Keys = ALL_PERSONS
    magnitude: float = 1024.0


@dataclass(frozen=True)
class Mean:
    """Of one column: mean and variance by group, shape (g,), and their standardised difference.

    The difference, group 1 minus group 0, is None without groups.
    """

    mean: Floats
    variance: Floats
    difference: float | None


@dataclass(frozen=True)
class Proportions:
    """Of one column with levels: persons and proportions by level and group, shape (levels, g).

    `differences` are of each level, (levels,), signed; `difference` is of all together and has no
    sign; None without groups.
    """

    levels: tuple[float, ...]
    persons: Floats
    proportion: Floats
    differences: Floats | None
    difference: float | None


@dataclass(frozen=True)
class TableOneResult:
    """The table: persons by group, shape (g,), rows by column, and what was suppressed."""

    persons: Floats
    means: dict[str, Mean]
    proportions: dict[str, Proportions]
    suppressed: tuple[str, ...]
    exchanges: int


def table_one(network: Totals, table: TableOne) -> TableOneResult:
    """Describe the persons of the network.

    Raises:
        EstimationError: there is nothing to describe, or every case weight of a group is 0.
        SuppressedError: too few persons in a group.
        FederationError: a hospital refused, or did not answer.
    """
    if not table.means and not table.levels:
        raise EstimationError("name columns, of means or of levels")
    moments, screen = network.total(
        [
            Moments(design=Design(terms=table.means), keys=table.keys, magnitude=table.magnitude),
            _levels(table, table.levels, screens=True),
        ]
    )
    shown = _shown(table.levels, screen)
    center = moments["sums"] / moments.number("rows")
    variance = moments["squares"] / moments.number("rows") - center**2
    # A column of one value has room for rounding and no spread.
    spread = np.sqrt(np.where(variance > 1e-12 * np.maximum(1.0, center**2), variance, 1.0))
    centred = Design(
        terms=table.means, center=tuple(map(float, center)), spread=tuple(map(float, spread))
    )
    queries: list[Query] = [
        GroupMoments(design=centred, group=table.group, weights=table.weights, keys=table.keys)
    ]
    if shown:
        queries.append(_levels(table, shown, screens=False))
    sums, *counts = network.total(queries)
    if (sums["weight"] <= 0).any():
        raise EstimationError("every case weight of a group is 0: nothing can be described")
    return TableOneResult(
        persons=np.rint(sums["persons"]),
        means=_means(table.means, sums, center, spread),
        proportions=_proportions(shown, counts[0], sums["weight"]) if counts else {},
        suppressed=tuple(name for name in table.levels if name not in shown),
        exchanges=2,
    )


def _levels(table: TableOne, levels: dict[str, tuple[float, ...]], *, screens: bool) -> Levels:
    return Levels(
        columns=tuple(levels),
        levels=tuple(levels.values()),
        group=table.group,
        weights=table.weights,
        keys=table.keys,
        screens=screens,
    )


def _shown(levels: dict[str, tuple[float, ...]], screen: Total) -> dict[str, tuple[float, ...]]:
    """The columns that may be shown, in their order."""
    column = np.repeat(np.arange(len(levels)), [len(of) for of in levels.values()])
    enough = np.asarray(screen["enough"].all(axis=1))
    near: Bools = np.zeros((len(column), len(column)), dtype=bool)
    near[np.tril_indices(len(column), -1)] = ~screen["apart"].all(axis=1)
    near |= near.T
    shown: Bools = np.zeros(len(column), dtype=bool)
    found = {}
    for number, (name, of) in enumerate(levels.items()):
        mine = np.flatnonzero(column == number)
        if enough[mine].all() and not near[mine][:, shown].any():
            shown[mine] = True
            found[name] = of
    return found


def _means(names: tuple[str, ...], sums: Total, center: Floats, spread: Floats) -> dict[str, Mean]:
    weight = sums["weight"]
    mean = sums["sums"] / weight
    # Of reliability weights; n - 1 of weights that are 1.
    freedom = weight - sums["weight_squares"] / weight
    variance = np.maximum(sums["squares"] - weight * mean**2, 0.0) / freedom
    return {
        name: Mean(
            center[j] + spread[j] * mean[j],
            spread[j] ** 2 * variance[j],
            _apart(mean[j], variance[j]),
        )
        for j, name in enumerate(names)
    }


def _apart(mean: Floats, variance: Floats) -> float | None:
    if len(mean) < 2:
        return None
    between = float(variance.mean())
    if between <= 0:
        return 0.0 if mean[0] == mean[1] else float("nan")
    return float((mean[1] - mean[0]) / np.sqrt(between))


def _proportions(
    levels: dict[str, tuple[float, ...]], counts: Total, weight: Floats
) -> dict[str, Proportions]:
    found, start = {}, 0
    for name, of in levels.items():
        mine = slice(start, start + len(of))
        p = counts["weight"][mine] / weight
        singly = together = None
        if p.shape[1] == 2:
            singly = (p[:, 1] - p[:, 0]) / np.sqrt((p * (1 - p)).mean(axis=1))
            together = _all_levels(p)
        found[name] = Proportions(of, np.rint(counts["cells"][mine]), p, singly, together)
        start += len(of)
    return found


def _all_levels(p: Floats) -> float:
    """Yang and Dalton's difference of proportions, shape (levels, 2)."""
    of = p[1:]
    covariance = np.diag(of.mean(axis=1)) - (of @ of.T) / 2
    apart = of[:, 1] - of[:, 0]
    return float(np.sqrt(apart @ np.linalg.solve(covariance, apart)))
