"""Plots: gaps stay gaps, numbers are read, and what is said is escaped."""

from __future__ import annotations

import re

import pytest

from pumasi.report import svg


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0"), (1234.5, "1,234"), (12.5, "12.5"), (0.0312, "0.0312"), (100.0, "100")],
)
def test_numbers_are_written_as_they_are_read(value: float, said: str) -> None:
    assert svg.number(value) == said


@pytest.mark.parametrize(
    ("value", "top"), [(0, 1), (3, 3), (530, 600), (0.011, 0.012), (999, 1000)]
)
def test_an_axis_ends_at_a_round_number_that_is_not_below(value: float, top: float) -> None:
    assert svg.nice(value) == pytest.approx(top)


@pytest.mark.parametrize(
    ("count", "top"), [(0, 2), (1, 2), (2, 2), (3, 4), (5, 6), (7, 8), (11, 12), (41, 50)]
)
def test_the_axis_of_a_count_has_whole_numbers_at_its_end_and_middle(
    count: float, top: float
) -> None:
    assert svg.whole(count) == top
    drawn = svg.bars([(0, count)], (0, 1), "bars", "rows")
    assert f">{top / 2:.0f}</text>" in drawn
    assert f">{top}</text>" in drawn


def test_a_line_is_interrupted_where_there_is_no_value() -> None:
    points = [(0, 1.0), (1, 2.0), (2, None), (3, 4.0), (4, 4.0), (5, None), (6, 3.0)]
    drawn = svg.line(points, [str(i) for i in range(7)], "a line", "rows")
    assert len(re.findall("<polyline", drawn)) == 2
    assert len(re.findall("<circle", drawn)) == 1


def test_a_bar_that_is_left_out_is_not_drawn_as_zero() -> None:
    drawn = svg.bars([(0, 6.0), (1, None), (2, 0.0)], (0, 3), "bars", "mg")
    assert len(re.findall("<rect", drawn)) == 2
    assert re.findall(r'<rect class="bar" x="[\d.]+" y="10\.0" .* height="150\.0"', drawn)


def test_the_sides_of_a_pyramid_are_named_and_differ_by_more_than_their_place() -> None:
    drawn = svg.pyramid([10, None], [20, 30], ["1950s", "1960s"], ("female", "male"), "ages")
    assert drawn.index("1960s") < drawn.index("1950s")
    assert (drawn.count('class="bar"'), drawn.count('class="bar two"')) == (1, 2)
    assert "female" in drawn


def test_a_plot_says_what_it_shows_and_escapes_it() -> None:
    drawn = svg.bars([(0, 1.0)], (0, 1), 'a <b> "test"', "<i>")
    assert 'role="img" aria-label="a &lt;b&gt; &quot;test&quot;"' in drawn
    assert "<i>" not in drawn
