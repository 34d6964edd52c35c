"""Persons in two hospitals: exact properties of the measurement, and the simulator's truth."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import linkage
from pumasi.estimate.glm import Glm, GlmResult, fit_glm
from pumasi.federation.network import Run
from pumasi.federation.queries import Family
from pumasi.federation.rows import Rows
from pumasi.learn.network_model import NetworkTask
from pumasi.learn.task import Task
from pumasi.simulate.direct import workshop
from pumasi.simulate.world import World
from tests.estimate.hospitals import network, pooled

NOISE = tuple(f"x{j}" for j in range(20))
PLAN = NetworkTask(
    Task(
        name="made_up",
        table="made_up",
        features=("attacks", *NOISE),
        numbers=("attacks", *NOISE),
        outcome="falls_ill",
    ),
    "ridge",
)


def rows(persons: int = 400) -> Rows:
    """Three rows a person, alike by a cause that is not among the features; four hospitals."""
    rng = np.random.default_rng(11)
    person = np.repeat(np.arange(persons), 3)
    noise = {name: rng.normal(size=persons)[person] for name in NOISE}
    attacks = rng.normal(size=len(person))
    log_odds = -0.5 + 0.7 * attacks + rng.normal(size=persons)[person]
    ill = rng.random(len(person)) < 1 / (1 + np.exp(-log_odds))
    columns = {"attacks": attacks, **noise, "falls_ill": ill.astype(float)}
    return Rows(person, person % 100, person % 4, columns)


def some_shared() -> Rows:
    """The last row of every third person is at another hospital."""
    everybody = rows()
    elsewhere = (np.arange(len(everybody)) % 3 == 2) & (everybody.person % 3 == 0)
    return replace(everybody, hospital=(everybody.hospital + elsewhere) % 4)


def over(run: Run) -> GlmResult:
    model = Glm(Family.BINOMIAL, PLAN.terms, PLAN.task.outcome, robust=True)
    return fit_glm(run, model)


def test_the_fit_is_that_of_the_network_and_linked_that_of_a_pool_that_knows_the_persons() -> None:
    shared = some_shared()
    found = linkage.fitted(shared, PLAN)
    of_network, of_pool = over(network(linkage.apart(shared))), over(pooled(shared))
    for each in (of_network, of_pool):
        np.testing.assert_allclose(found.coefficients, each.coefficients, atol=1e-8)
    np.testing.assert_allclose(found.apart, of_network.standard_errors, rtol=1e-6)
    np.testing.assert_allclose(found.linked, of_pool.standard_errors, rtol=1e-6)
    assert np.abs(found.linked / found.apart - 1).max() > 0.01


def test_with_the_same_record_at_two_hospitals_errors_are_too_small_by_the_root_of_two() -> None:
    once = linkage.fitted(rows(), PLAN)
    twice = linkage.copied(rows(), 1.0, np.random.default_rng(1))
    found = linkage.fitted(twice, PLAN)
    np.testing.assert_allclose(found.apart, found.linked / np.sqrt(2), rtol=1e-9)
    np.testing.assert_allclose(found.linked, once.linked, rtol=1e-6)
    np.testing.assert_allclose(found.coefficients, once.coefficients, atol=1e-8)
    assert linkage.in_two(twice) == (1.0, 1.0)
    line = linkage.errors_row("all", twice, [found])
    assert line == ["all", "100.0 %", "1.414", "1.414 to 1.414", "1.414"]


def test_where_nobody_is_shared_there_is_no_effect() -> None:
    alone = linkage.copied(rows(), 0.0, np.random.default_rng(1))
    found = linkage.fitted(alone, PLAN)
    np.testing.assert_allclose(found.apart, found.linked, rtol=1e-12)
    own, by_person = linkage.areas([alone], 2, np.random.default_rng(2), PLAN)[0]
    assert own == by_person
    assert linkage.in_two(alone) == (0.0, 0.0)


def test_linking_can_widen_an_interval_by_the_root_of_two_at_most() -> None:
    rng = np.random.default_rng(4)
    for share in (0.1, 0.5):
        found = linkage.fitted(linkage.copied(rows(), share, rng), PLAN)
        ratio = found.linked / found.apart
        assert 1 < np.median(ratio) < np.sqrt(2)
        assert ratio.max() <= np.sqrt(2)


def test_a_split_by_person_keeps_a_person_on_one_side_and_own_splits_do_not() -> None:
    shared = linkage.copied(rows(2000), 0.5, np.random.default_rng(1))
    own, by_person = linkage.splits(shared, np.random.default_rng(3))

    def on_both_sides(split: Rows) -> float:
        test = split.split_key >= 70
        both = np.intersect1d(shared.person[test], shared.person[~test])
        return len(both) / shared.persons()

    assert on_both_sides(by_person) == 0
    # Of half of the persons: learning at one hospital, test at the other, or the reverse.
    assert on_both_sides(own) == pytest.approx(0.5 * 2 * 0.7 * 0.3, abs=0.03)
    one_hospital = ~np.isin(shared.person, shared.person[shared.hospital >= 4])
    np.testing.assert_array_equal(own.split_key[one_hospital], by_person.split_key[one_hospital])


def test_persons_on_both_sides_make_the_test_area_look_better() -> None:
    twice = linkage.copied(rows(200), 1.0, np.random.default_rng(1))
    own, by_person = linkage.areas([twice], 8, np.random.default_rng(5), PLAN)[0]
    assert own - by_person > 0.02


def test_a_resampled_person_brings_all_rows_of_both_hospitals_and_counts_once_a_draw() -> None:
    shared = some_shared()
    drawn = linkage.resampled(shared, 1000, np.random.default_rng(6))
    assert drawn.persons() == 1000
    assert len(drawn) == 3000
    # A third of the persons has the last of three rows at a second hospital.
    assert linkage.in_two(drawn)[0] == pytest.approx(linkage.in_two(shared)[0], abs=0.05)


def test_reported_errors_that_are_right_cover_and_are_as_large_as_the_spread() -> None:
    rng = np.random.default_rng(7)
    draws = rng.normal(2.0, 0.5, size=(2000, 1))
    fits = [linkage.Fit(each, *(np.array([0.5 * f]) for f in (0.5, 1, 1))) for each in draws]
    truth = np.array([2.0])
    assert linkage.coverage(fits, truth, "linked").mean() == pytest.approx(0.95, abs=0.015)
    assert linkage.reported_to_true(fits, "linked") == pytest.approx(1, abs=0.05)
    # Half as wide: 1.96 / 2 standard deviations cover 67 %.
    assert linkage.coverage(fits, truth, "by_row").mean() == pytest.approx(0.673, abs=0.03)


@pytest.mark.slow
def test_the_true_persons_of_a_simulated_network_are_the_same_at_both_hospitals(
    tmp_path: Path,
) -> None:
    made_with = linkage.one_mart(workshop(tmp_path), linkage.PLAN.task.table)
    found = linkage.simulated(made_with, World(scale=0.04, seed=3, shared_patients=0.9))
    assert linkage.in_two(found)[0] > 0.5
    for column, most in (("is_female", 0), ("age_at_index", 11)):
        values = found.column(column)
        for person in np.unique(found.person):
            here = found.person == person
            assert np.ptp(values[here]) <= most
    alone = linkage.simulated(made_with, World(scale=0.04, seed=3, shared_patients=0.0))
    assert linkage.in_two(alone) == (0.0, 0.0)
