"""Persons at risk and with an event in each interval of a grid that all hospitals share.

From these numbers follow Kaplan and Meier's estimate and the cumulative incidence of causes, on
times rounded up to the grid's edges. No other time is told.

From sums over those at risk in two adjacent intervals and over those with an event in the first
can be computed the sum over those who moved between: left without an event, entered, or went on
with other covariates. So they are a cell, too: nobody may have moved, or as many as the minimum.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from pumasi.federation.queries.follow_up import FollowUp, Grid, Indices
from pumasi.federation.queries.moments import Weighted
from pumasi.federation.query import Counts, Kind, Part, Query, register
from pumasi.federation.rows import Bools, Floats, Rows


class _Table(Query):
    """What all tables of a grid have.

    Args:
        follow_up: columns of the times and of the event.
        grid: m intervals.
        causes: c, how many causes of the event are told apart.
    """

    follow_up: FollowUp
    grid: Grid
    causes: int = 1

    def groups(self, rows: Rows) -> list[Rows]:
        """The rows of each group, g of them."""
        return [rows]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(g, c, m)."""
        return 1, self.causes, self.grid.size

    def subsets(self, rows: Rows) -> list[Rows]:
        """Every set of rows that some part of the answer is computed of."""
        return [self.placed(group)[0] for group in self.groups(rows)]

    def placed(self, rows: Rows) -> tuple[Rows, Indices, Indices, Indices]:
        """The rows that are at risk in an interval, and `Grid.on_grid` of them."""
        start, stop = self.follow_up.times(rows)
        cause = self.follow_up.causes(rows, self.causes)
        first, last, cause = self.grid.on_grid(rows.person, start, stop, cause)
        inside = last > first
        return rows.where(inside), first[inside], last[inside], cause[inside]

    def with_event(self, rows: Rows) -> Floats:
        """Persons with an event of each cause in each interval, shape (c, m)."""
        rows, _, last, cause = self.placed(rows)
        found = np.zeros((self.causes, self.grid.size))
        for each in range(1, self.causes + 1):
            found[each - 1] = persons_at(rows, last - 1, cause == each, self.grid.size)
        return found


class _ByGroup(_Table):
    """Tables of groups; rows whose group has no level here are left out.

    Args:
        by: column of the group.
        levels: its values, g of them.
    """

    by: str
    levels: tuple[float, ...]

    def groups(self, rows: Rows) -> list[Rows]:
        """The rows of each level."""
        return [rows.where(rows.column(self.by) == level) for level in self.levels]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(g, c, m)."""
        return len(self.levels), self.causes, self.grid.size


@register
class EventGrid(_Table, Weighted):
    """Which intervals may be asked for: persons with an event in them, adjacent ones merged.

    Intervals are merged from the left until every group has enough persons with an event of each
    cause, and nobody or enough who moved to the next; what is left at the end belongs to the last.
    No count of an interval that was merged is shown. That a merged interval ends where it does says
    that without its last one there were too few: choose edges no finer than may be told.

    Parts: `persons`; `events`, sent as (g, c, m, m), shown as (g, c, m): at the last interval of
    each merged one the persons with an event in it, nan at the others; `moved`, sent as (g, m, m),
    shown as (g, m): likewise those who moved to the next.
    """

    name: ClassVar[str] = "event_grid"
    kind: ClassVar[Kind] = Kind.DESCRIPTIVE

    def parts(self) -> tuple[Part, ...]:
        """See the class."""
        g, _, m = self.shape
        return (
            Part("persons", (), counts=Counts.PERSONS),
            Part("events", (*self.shape, m), counts=Counts.OUTCOME, spans=True),
            Part("moved", (g, m, m), counts=Counts.PERSONS, spans=True, none_passes=True),
        )

    def compute(self, rows: Rows) -> Mapping[str, Floats]:
        """See the class."""
        events, moved = zip(*(self.spans(group) for group in self.groups(rows)), strict=True)
        return {
            "persons": np.asarray(float(rows.persons())),
            "events": np.array(events),
            "moved": np.array(moved),
        }

    def spans(self, rows: Rows) -> tuple[Floats, Floats]:
        """Cells of the interval that merges those from i to j, by cause (c, m, m) and (m, m).

        Who is at risk in it is at risk in interval i: who enters within it is not.
        """
        start, stop = self.follow_up.times(rows)
        cause = self.follow_up.causes(rows, self.causes)
        m, interval = self.grid.size, self.grid.interval(stop)
        first, last, _ = self.grid.on_grid(rows.person, start, stop, cause)
        cause = np.where((interval >= 0) & (interval < m), cause, 0)
        events, moved = np.zeros((self.causes, m, m)), np.zeros((m, m))
        persons, number = np.unique(rows.person, return_inverse=True)
        for i in range(m):
            at_risk = (first <= i) & (i < last)
            of_person = marked(number, at_risk, len(persons))
            has = of_person[number] & (cause > 0) & (interval >= i)
            for each in range(self.causes):
                counts = persons_at(rows, interval, has & (cause == each + 1), m)
                events[each, i] = np.cumsum(counts)
            for j in range(i, m - 1):
                beyond = (first <= j + 1) & (j + 1 < last)
                ended = marked(number, has & (interval <= j), len(persons))[number]
                changes = np.where(at_risk, ~beyond & ~ended, beyond)
                moved[i, j] = marked(number, changes, len(persons)).sum()
        return events, moved


@register
class SurvivalTable(_Table):
    """Persons with an event, and those at risk without one, in each interval.

    Parts: `persons`; `events`, shape (g, c, m), by group, cause and interval; `others`, (g, m):
    persons who are at risk in the interval and have no event in it; `moved`, (g, m - 1), those who
    moved to the next.
    """

    name: ClassVar[str] = "survival_table"
    kind: ClassVar[Kind] = Kind.DESCRIPTIVE

    def parts(self) -> tuple[Part, ...]:
        """See the class."""
        g, _, m = self.shape
        return (
            Part("persons", (), counts=Counts.PERSONS),
            Part("events", self.shape, counts=Counts.OUTCOME),
            Part("others", (g, m), counts=Counts.OUTCOME),
            Part("moved", (g, m - 1), counts=Counts.PERSONS, none_passes=True),
        )

    def compute(self, rows: Rows) -> Mapping[str, Floats]:
        """See the class."""
        events, others, moved = [], [], []
        for group in self.groups(rows):
            events.append(self.with_event(group))
            placed, first, last, cause = self.placed(group)
            others.append(others_at_risk(placed, first, last, cause > 0, self.grid.size))
            moved.append(moved_on(placed, first, last, cause > 0, self.grid.size))
        return {
            "persons": np.asarray(float(rows.persons())),
            "events": np.array(events),
            "others": np.array(others),
            "moved": np.array(moved),
        }


@register
class EventGridByGroup(_ByGroup, EventGrid):
    """`EventGrid` of groups: the same merged intervals for all."""

    name: ClassVar[str] = "event_grid_by_group"
    kind: ClassVar[Kind] = Kind.EFFECT


@register
class SurvivalTableByGroup(_ByGroup, SurvivalTable):
    """`SurvivalTable` of groups."""

    name: ClassVar[str] = "survival_table_by_group"
    kind: ClassVar[Kind] = Kind.EFFECT


def persons_at(rows: Rows, interval: Indices, chosen: Bools, intervals: int) -> Floats:
    """Persons with a chosen row in each interval, shape (m,).

    Args:
        rows: n of them.
        interval: number of the interval of each, shape (n,).
        chosen: which count, shape (n,).
        intervals: m.
    """
    both = np.column_stack([rows.person[chosen], interval[chosen]])
    return np.bincount(np.unique(both, axis=0)[:, 1], minlength=intervals).astype(np.float64)


def others_at_risk(
    rows: Rows, first: Indices, last: Indices, event: Bools, intervals: int
) -> Floats:
    """Persons at risk without an event in each interval, shape (m,).

    Args:
        rows: n of them.
        first: number of the first interval of each, shape (n,).
        last: one more than that of the last, shape (n,).
        event: whether it happened in the last, shape (n,).
        intervals: m.
    """
    persons, number = np.unique(rows.person, return_inverse=True)
    found = np.zeros(intervals)
    for interval in range(intervals):
        at_risk = marked(number, (first <= interval) & (interval < last), len(persons))
        found[interval] = at_risk.sum()
        found[interval] -= marked(number, event & (last == interval + 1), len(persons)).sum()
    return found


def moved_on(rows: Rows, first: Indices, last: Indices, event: Bools, intervals: int) -> Floats:
    """Persons with a row in one of two adjacent intervals only, but for its event, (m - 1,).

    Arguments as of `others_at_risk`.
    """
    persons, number = np.unique(rows.person, return_inverse=True)
    found = np.zeros(intervals - 1)
    for interval in range(intervals - 1):
        leaves = (last == interval + 1) & ~event
        found[interval] = marked(number, leaves | (first == interval + 1), len(persons)).sum()
    return found


def marked(number: Indices, chosen: Bools, persons: int) -> Bools:
    """Which persons have a chosen row, shape (persons,); `number` is the person of each row."""
    found = np.zeros(persons, dtype=bool)
    found[number[chosen]] = True
    return found
