"""Quantiles of hospitals lie within their bounds of the exact ones, and no bin is small."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pumasi.errors import EstimationError, SuppressedError
from pumasi.estimate.quantiles import Quantiles, quantiles
from pumasi.federation.cells import Limits
from pumasi.federation.network import Total
from pumasi.federation.queries import Histogram
from pumasi.federation.rows import Rows
from tests.estimate.hospitals import (
    Split,
    by_covariate,
    by_outcome,
    divided,
    fair,
    lopsided,
    network,
    pooled,
    rows_of,
)

PROBABILITIES = (0.01, 0.25, 0.5, 0.9, 0.999)
ROUNDING = 1e-9


@pytest.mark.parametrize(
    "split",
    [by_covariate("age"), by_outcome("affair"), lopsided],
    ids=("covariate", "outcome", "lopsided"),
)
@pytest.mark.parametrize("masked", [True, False], ids=("masked", "clear"))
def test_quantiles_of_hospitals_are_those_of_the_pool(split: Split, masked: bool) -> None:
    rows = fair()
    asked = Quantiles("age", (0.0, 120.0), PROBABILITIES)
    run = network(divided(rows, split(rows)), masked=masked)
    found = quantiles(run, asked)
    theirs = quantiles(pooled(rows), asked)
    # The last digits of a sum are rounded at each hospital; a bound is a root of one.
    np.testing.assert_allclose(found.value, theirs.value, atol=1e-6, rtol=0)
    exact = np.quantile(rows.column("age"), PROBABILITIES, method="inverted_cdf")
    # Ages stand for classes, each of many persons.
    assert (found.error <= 0.03).all()
    assert (np.abs(found.value - exact) <= found.error + ROUNDING).all()
    assert run.exchanges == found.exchanges <= 3


@given(
    seed=st.integers(0, 10_000),
    n=st.integers(40, 400),
    rows_a_person=st.integers(1, 3),
    bins=st.sampled_from([4, 20, 100]),
    digits=st.integers(0, 3),
)
@settings(max_examples=40, deadline=None)
def test_exact_quantiles_lie_within_the_bounds(
    seed: int, n: int, rows_a_person: int, bins: int, digits: int
) -> None:
    rng = np.random.default_rng(seed)
    values = np.round(rng.normal(0, 3, n), digits)
    rows = divided(rows_of({"x": values}, rows_a_person), np.arange(n) // rows_a_person % 4)
    found = quantiles(network(rows), Quantiles("x", (-5.0, 8.0), PROBABILITIES, bins=bins))
    exact = np.quantile(np.clip(values, -5, 8), PROBABILITIES, method="inverted_cdf")
    assert (exact >= found.lower - ROUNDING).all()
    assert (exact <= found.upper + ROUNDING).all()
    assert (np.abs(found.value - exact) <= found.error + ROUNDING).all()


def one(values: "np.typing.ArrayLike") -> Total:
    counted = np.asarray(values, dtype=float)
    entries = np.concatenate([[100.0], counted, counted, counted / 2, counted / 3])
    query = Histogram(column="x", bounds=(0.0, 5.0), segments=((0.0, 5.0),), bins=5)
    return Total.of(query, ("a", "b", "c"), entries, Limits())


def test_neighbouring_bins_are_merged_until_each_reaches_the_minimum() -> None:
    nan = np.nan
    np.testing.assert_array_equal(one([3, 8, 10, 4, 20])["rows_0"], [nan, 11, 10, nan, 24])
    np.testing.assert_array_equal(one([12, 0, 10, 4, 2])["rows_0"], [12, nan, nan, nan, 16])
    np.testing.assert_array_equal(one([0, 0, 0, 0, 10])["rows_0"], [nan, nan, nan, nan, 10])
    with pytest.raises(SuppressedError, match="persons_0; suppressed is not zero"):
        one([1, 1, 1, 1, 1])


def test_few_persons_and_bad_bounds_are_refused_without_a_number() -> None:
    rows: Rows = divided(rows_of({"x": np.arange(7)}), np.arange(7) % 4)
    with pytest.raises(SuppressedError) as error:
        quantiles(network(rows), Quantiles("x", (0.0, 10.0)))
    assert "7" not in str(error.value)
    with pytest.raises(EstimationError, match="below the upper"):
        quantiles(network(rows), Quantiles("x", (1.0, 1.0)))
    with pytest.raises(EstimationError, match="probabilities"):
        quantiles(network(rows), Quantiles("x", (0.0, 1.0), (0.0,)))
