"""Noise keeps its promise: no trial contradicts epsilon, and trials do find planted faults.

The lower bound of epsilon is that of Ding et al., CCS 2018, with exact limits (Clopper and Pearson,
Biometrika 1934;26:404-413) of 200,000 trials each at a level of 0.1 %.
"""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import beta

from pumasi.disclosure.ledger import Budget, Spent, require_budget
from pumasi.disclosure.noise import clipped, noise, private_words, units
from pumasi.disclosure.refusal import RefusedError
from pumasi.errors import QueryError
from pumasi.federation.fixed_point import decode
from pumasi.federation.query import Counts, Part

PARTS = (Part("visits", ()),)
TRIALS = 200_000
RHO, DELTA = 0.5, 1e-5
# One person has ten visits; the others have one each.
WITH = np.array([[10.0]] + [[1.0]] * 5)
WITHOUT = WITH[1:]


def sums(persons: np.ndarray, clip: float, noise_of: float = 1.0) -> np.ndarray:
    """The answer of each trial; the noise is scaled by `noise_of`."""
    total = clipped(persons, PARTS, clip).sum()
    drawn = noise(TRIALS, clip * 2.0**40, RHO).astype(np.float64) * noise_of
    return (total + drawn) / 2**40


def epsilon_shown(one: np.ndarray, other: np.ndarray, threshold: float) -> float:
    """The epsilon that the trials show at least: answers above the threshold, here and there."""
    here, there = int((one > threshold).sum()), int((other > threshold).sum())
    lower = beta.ppf(0.001, here, TRIALS - here + 1)
    upper = beta.ppf(0.999, there + 1, TRIALS - there)
    return log(max(lower - DELTA, 1e-300) / upper)


def test_no_trial_contradicts_the_guarantee() -> None:
    promised = Spent(RHO, 0).epsilon(DELTA)
    one, other = sums(WITH, 1.0), sums(WITHOUT, 1.0)
    shown = max(epsilon_shown(one, other, t) for t in np.linspace(4, 11, 29))
    # Not vacuous: a Gaussian of rho 0.5 shows more than 2 with so many trials.
    assert 2 < shown < promised


@pytest.mark.parametrize(
    ("fault", "one", "other", "noise_of"),
    [
        ("each row is clipped rather than the person", np.ones((15, 1)), np.ones((5, 1)), 1.0),
        ("half of the noise", WITH, WITHOUT, 0.5),
    ],
)
def test_trials_find_planted_faults(
    fault: str, one: np.ndarray, other: np.ndarray, noise_of: float
) -> None:
    here, there = sums(one, 1.0, noise_of), sums(other, 1.0, noise_of)
    shown = max(epsilon_shown(here, there, t) for t in np.linspace(4, 16, 97))
    assert shown > Spent(RHO, 0).epsilon(DELTA), fault


@given(arrays(np.float64, (7, 4), elements=st.floats(-1e4, 1e4)), st.floats(0.01, 100.0))
def test_nobody_contributes_more_than_the_bound(rows: np.ndarray, clip: float) -> None:
    parts = (Part("a", (2,), scale=3.0), Part("b", (2,), scale=1024.0, unit=5.0))
    lengths = np.linalg.norm(clipped(rows, parts, clip) / units(parts), axis=1)
    assert (lengths <= clip).all()


def test_what_is_short_is_not_changed_and_the_noise_has_its_deviation() -> None:
    rows = np.tile([[0.25, -0.5]], (1000, 1))
    parts = (Part("a", (2,)),)
    drawn = [decode(private_words(rows, parts, 1.0, 2.0), parts) for _ in range(300)]
    # Standard deviation clip / sqrt(2 rho) = 0.5; 600 draws.
    assert np.mean(drawn, axis=0) == pytest.approx([250, -500], abs=0.15)
    assert np.std(np.array(drawn) - [250, -500]) == pytest.approx(0.5, abs=0.06)


def test_noisy_counts_of_persons_are_read_as_counts() -> None:
    """Cells travel in a coarser quantum than other parts: noise must be in the same."""
    parts = (Part("persons", (), counts=Counts.PERSONS), Part("visits", ()))
    drawn = decode(private_words(np.ones((500, 2)), parts, 2.0, 1e6), parts)
    assert drawn == pytest.approx([500, 500], abs=0.1)


@pytest.mark.parametrize("persons", [0, 1, 3000])
def test_whether_a_clip_fits_does_not_tell_how_many_persons_there_are(persons: int) -> None:
    with pytest.raises(QueryError, match="too long a clip"):
        private_words(np.ones((persons, 1)), PARTS, 8.0, 1.0)
    assert len(private_words(np.ones((persons, 1)), PARTS, 7.9, 1.0)) == 1


def test_a_budget_is_spent_to_its_end_and_not_beyond() -> None:
    budget = Budget(epsilon=3.0, delta=1e-5)
    assert Spent(budget.rho, 0).epsilon(1e-5) == pytest.approx(3.0, rel=1e-12)
    require_budget(Spent(budget.rho / 2, 0), budget.rho / 2 * 0.999, budget)
    with pytest.raises(RefusedError, match="privacy_budget_spent"):
        require_budget(Spent(budget.rho / 2, 0), budget.rho / 2 * 1.001, budget)


def test_an_exact_answer_leaves_no_guarantee() -> None:
    assert Spent(0.1, 1).epsilon(1e-5) == float("inf")


def test_who_contributes_no_finite_number_contributes_nothing() -> None:
    persons = np.array([[2.0, 1.0], [np.nan, 1.0], [1.0, np.inf], [0.5, 0.25]])
    parts = (Part("visits", ()), Part("days", ()))
    words = clipped(persons, parts, clip=10.0)
    assert words[1].tolist() == words[2].tolist() == [0, 0]
    assert words[[0, 3]].tolist() == clipped(persons[[0, 3]], parts, clip=10.0).tolist()
