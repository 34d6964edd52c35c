"""Who is at risk when, and times on a grid: against the definitions, row by row."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumasi.errors import QueryError
from pumasi.federation.queries.follow_up import Grid, risk_sets

LIVES = st.lists(
    st.tuples(st.integers(0, 9), st.integers(1, 9), st.booleans(), st.integers(0, 2)), max_size=30
)


@given(LIVES)
def test_risk_sets_are_those_of_the_definition(lives: list[tuple[int, int, bool, int]]) -> None:
    start = np.array([float(begin) for begin, *_ in lives])
    stop = start + np.array([float(length) for _, length, *_ in lives])
    event = np.array([has for *_, has, _ in lives], dtype=bool)
    stratum = np.array([number for *_, number in lives], dtype=np.int64)
    sets, number = risk_sets(start, stop, event, stratum)
    times = sorted({(s, t) for s, t in zip(stratum[event], stop[event], strict=True)})
    assert sets.times == len(times)
    assert [times[n] for n in number] == list(zip(stratum[event], stop[event], strict=True))
    at_risk = np.array([(start < t) & (t <= stop) & (stratum == s) for s, t in times], dtype=float)
    at_risk = at_risk.reshape(len(times), len(lives))
    values = np.arange(1.0, len(lives) + 1)[:, None] ** [1, 2]
    np.testing.assert_array_equal(sets.at_risk(values), at_risk @ values)
    over = np.arange(1.0, len(times) + 1)[:, None] ** [1, 2]
    np.testing.assert_array_equal(sets.over_times(over), at_risk.T @ over)


def test_times_are_rounded_up_and_an_event_is_carried_by_the_row_before() -> None:
    grid = Grid(edges=(0.0, 10.0, 20.0, 30.0))
    # Whole, to an edge, late, beyond; within one interval: of 4 carried by its other row, of 5 not.
    person = np.array([0, 1, 2, 3, 4, 4, 5])
    start = np.array([-np.inf, 0.0, 10.5, 0.0, 0.0, 12.0, 12.0])
    stop = np.array([25.0, 20.0, 25.0, 31.0, 12.0, 15.0, 15.0])
    cause = np.array([1, 1, 1, 1, 0, 2, 2])
    first, last, found = grid.on_grid(person, start, stop, cause)
    at_risk = [list(range(i, j)) for i, j in zip(first, last, strict=True)]
    assert at_risk == [[0, 1, 2], [0, 1], [2], [0, 1, 2], [0, 1], [], []]
    assert found.tolist() == [1, 1, 1, 0, 2, 0, 0]


def test_edges_must_ascend() -> None:
    for edges in ((0.0,), (0.0, 5.0, 5.0)):
        with pytest.raises(QueryError, match="edges or more that ascend"):
            Grid(edges=edges).interval(np.array([1.0]))
