"""What arrives while a build runs, and what kill -9 leaves behind in the middle of every step."""

from __future__ import annotations

import duckdb
import pytest

from tests.end_to_end.network import Built
from tests.end_to_end.stories import DAYS, MOMENTS, Interrupted


def delivered(built: Built) -> set[object]:
    """Ids of the deliveries that the release says it was made of."""
    return {row["delivery_id"] for row in built.accounts("deliveries")}


def test_a_delivery_that_arrives_while_a_build_runs_is_not_half_seen(
    interrupted_build: Interrupted,
) -> None:
    first, (one, two, _) = interrupted_build.first, interrupted_build.deliveries
    assert two in interrupted_build.arrived
    assert (first.paths.raw / two / "delivery.parquet").exists()
    assert first.release.reasons_closed() == []
    assert delivered(first) == {one}
    assert {row["delivery_id"] for row in first.accounts("row_fates")} == {one}
    assert {row["delivery_id"] for row in first.accounts("read_counts")} == {one}
    with duckdb.connect() as connection:
        visits = first.release.read("visit_occurrence", connection)
        assert visits.max("visit_start_date").fetchall()[0][0] <= DAYS[0]


@pytest.mark.parametrize("step", MOMENTS)
def test_killed_in_the_middle_of_a_step_nothing_of_before_is_lost(
    interrupted_build: Interrupted, step: str
) -> None:
    kill = interrupted_build.kills[step]
    assert kill.halfway
    assert kill.latest == interrupted_build.first.release.id
    assert kill.lost == frozenset()


def test_run_again_after_kills_the_release_is_that_of_an_undisturbed_hospital(
    interrupted_build: Interrupted,
) -> None:
    last = interrupted_build.last
    assert last.code == 0, last.said
    assert delivered(last) == set(interrupted_build.deliveries)
    assert last.release.id == interrupted_build.undisturbed.release.id
    assert last.release.seal.number == interrupted_build.first.release.seal.number + 1
    assert not list(last.paths.releases.glob(".*.new"))
    assert not list(last.paths.reading.glob("*/"))
