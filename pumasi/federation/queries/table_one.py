"""The sums of a table of baseline characteristics, by group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pumasi.errors import QueryError
from pumasi.federation.queries.moments import Weighted, as_flag, case_weights
from pumasi.federation.query import Counts, Kind, Part, register
from pumasi.federation.rows import Design, Floats, Rows, product


@register
class Levels(Weighted):
    """Persons and weights by level and group: what proportions are made of, or only which may be.

    Args:
        levels: for each of c columns its levels: no row has another, and at least two are named.
        columns: their names, or products of them.
        group: column of 0 and 1; None for one group of all.
        screens: whether verdicts are asked for, in place of counts.

    With L the levels of all columns together, in order, and g groups, parts: `persons`, how many
    have a row in each group, shape (g,). If it screens: `enough`, (L, g), 1 where enough persons
    have a row with the level; and `apart`, (L (L - 1) / 2, g), the lower triangle by rows without
    its diagonal: 1 where enough persons have one of two levels and not the other. If not: `cells`,
    (L, g), the persons, all of which must be enough, and `weight`, (L, g), sum of the weights.
    """

    name: ClassVar[str] = "levels"
    kind: ClassVar[Kind] = Kind.DESCRIPTIVE

    columns: tuple[str, ...]
    levels: tuple[tuple[float, ...], ...]
    group: str | None = None
    screens: bool

    def parts(self) -> tuple[Part, ...]:
        """See the class."""
        g, every = 1 + (self.group is not None), sum(map(len, self.levels))
        persons = Part("persons", (g,), counts=Counts.PERSONS)
        if self.screens:
            pairs = every * (every - 1) // 2
            return (
                persons,
                Part("enough", (every, g), counts=Counts.PERSONS, screens=True),
                Part("apart", (pairs, g), counts=Counts.PERSONS, screens=True),
            )
        return (
            persons,
            Part("cells", (every, g), counts=Counts.PERSONS),
            Part("weight", (every, g), scale=1024.0),
        )

    def compute(self, rows: Rows) -> Mapping[str, Floats]:
        """See the class."""
        groups = group_flags(rows, self.group)
        has = self._has(rows)
        persons = np.array([rows.persons(of > 0) for of in groups.T], dtype=np.float64)
        held = [rows.by_person(has * of[:, None]) > 0 for of in groups.T]
        cells = np.column_stack([of.sum(axis=0) for of in held]).astype(np.float64)
        if not self.screens:
            w = case_weights(rows, self.weights)
            return {"persons": persons, "cells": cells, "weight": has.T @ (groups * w[:, None])}
        pairs = np.tril_indices(has.shape[1], -1)
        both = np.stack([(of.T.astype(np.float64) @ of)[pairs] for of in held], axis=1)
        apart = cells[pairs[0]] + cells[pairs[1]] - 2 * both
        return {"persons": persons, "enough": cells, "apart": apart}

    def _has(self, rows: Rows) -> Floats:
        """Which row has which level, 0 or 1, shape (n, L)."""
        if len(self.columns) != len(self.levels):
            raise QueryError("each column needs its levels")
        flags = []
        for name, levels in zip(self.columns, self.levels, strict=True):
            values = product(rows, name)
            if len(set(levels)) < 2 or len(set(levels)) < len(levels):
                raise QueryError(f"{name} needs two levels or more, each once")
            if not np.isin(values, levels).all():
                raise QueryError(f"{name} has values besides its levels")
            flags.append((values[:, None] == np.asarray(levels)).astype(np.float64))
        return np.concatenate(flags, axis=1) if flags else np.zeros((len(rows), 0))


@register
class GroupMoments(Weighted):
    """Weighted sums of terms and of their squares, by group.

    Args:
        design: the terms, p of them; standardised as it says.
        group: column of 0 and 1; None for one group of all.

    Parts, of g groups: `persons`; `weight`, sum w, and `weight_squares`, sum w^2, shape (g,);
    `sums` and `squares`, sum w x and sum w x^2, shape (p, g).
    """

    name: ClassVar[str] = "group_moments"
    kind: ClassVar[Kind] = Kind.DESCRIPTIVE

    design: Design
    group: str | None = None

    def parts(self) -> tuple[Part, ...]:
        """See the class."""
        p, g = len(self.design.terms), 1 + (self.group is not None)
        return (
            Part("persons", (g,), counts=Counts.PERSONS),
            Part("weight", (g,), scale=1024.0),
            Part("weight_squares", (g,), scale=1024.0),
            Part("sums", (p, g), scale=1024.0),
            Part("squares", (p, g), scale=1024.0),
        )

    def compute(self, rows: Rows) -> Mapping[str, Floats]:
        """See the class."""
        groups, x = group_flags(rows, self.group), self.design.matrix(rows)
        w = case_weights(rows, self.weights)[:, None]
        return {
            "persons": np.array([rows.persons(of > 0) for of in groups.T], dtype=np.float64),
            "weight": (groups * w).sum(axis=0),
            "weight_squares": (groups * w**2).sum(axis=0),
            "sums": x.T @ (groups * w),
            "squares": (x**2).T @ (groups * w),
        }


def group_flags(rows: Rows, group: str | None) -> Floats:
    """Which row is in which group, 0 or 1, shape (n, g).

    Raises:
        QueryError: the column has values besides 0 and 1.
    """
    if group is None:
        return np.ones((len(rows), 1))
    flag = as_flag(rows, group)
    return np.column_stack([~flag, flag]).astype(np.float64)
