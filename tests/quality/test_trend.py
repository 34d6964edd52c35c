"""A share that moves by more than its history allows is told before its check fails."""

from __future__ import annotations

import pytest

from pumasi.quality import Check, Outcome, Severity, judge
from pumasi.quality.trend import trends

NAME = "condition_occurrence.visit_is_known"


def build(violations: int, rows: int = 10_000, threshold: float = 0.05) -> dict[str, Outcome]:
    check = Check(NAME, "condition_occurrence", "completeness", Severity.WARN, "dbt", threshold)
    return {NAME: judge(check, violations, rows, may_be_empty=True)}


def test_a_share_that_rises_beyond_its_history_is_a_trend_while_it_passes() -> None:
    (found,) = trends([build(100), build(104), build(97), build(180)])
    assert (found.check, found.rises) == (NAME, True)
    assert found.shares == (0.01, 0.0104, 0.0097, 0.018)
    # (301 + 0.5) / 30001, and three binomial standard deviations of 10,000 rows.
    assert found.expected == pytest.approx(0.010050, abs=1e-6)
    assert found.upper - found.expected == pytest.approx(0.002992, abs=1e-6)


def test_a_share_that_falls_is_told_too() -> None:
    (found,) = trends([build(300), build(301), build(302), build(0)])
    assert not found.rises


def test_a_share_within_its_history_is_none() -> None:
    assert trends([build(100), build(104), build(97), build(120)]) == []


def test_a_history_that_jumped_before_allows_more() -> None:
    assert trends([build(100), build(200), build(90), build(210), build(300)]) == []


def test_in_millions_of_rows_a_tenth_of_a_percent_is_none() -> None:
    many = 10_000_000
    before = [build(100_000, many)] * 3
    assert trends([*before, build(109_000, many)]) == []
    assert len(trends([*before, build(111_000, many)])) == 1


@pytest.mark.parametrize(
    "builds",
    [
        [],
        [build(100), build(100), build(200)],
        [build(100), build(100), build(600), build(100), build(200)],
        [build(100), build(100), build(100), build(600)],
        [build(0, 0)] * 3 + [build(200)],
        [build(100)] * 3 + [build(0, 0)],
    ],
)
def test_no_trend_without_three_passes_before_and_one_now(
    builds: list[dict[str, Outcome]],
) -> None:
    assert trends(builds) == []
