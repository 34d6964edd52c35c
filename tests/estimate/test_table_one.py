"""The table of hospitals is that of the pool and of its definition, and shows no small cell."""

import numpy as np
import pytest
from statsmodels.stats.weightstats import DescrStatsW

from pumasi.errors import EstimationError, FederationError, SuppressedError
from pumasi.estimate.table_one import FLAG, TableOne, TableOneResult, table_one
from pumasi.federation.rows import Floats, Rows
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

EDUCATION = (9.0, 12.0, 14.0, 16.0, 17.0, 20.0)
TABLE = TableOne(
    means=("age", "yrs_married", "age:children"),
    levels={"is_religious": FLAG, "educ": EDUCATION},
    group="affair",
)


def numbers(found: TableOneResult) -> Floats:
    rows: list[Floats] = [found.persons]
    for mean in found.means.values():
        rows += [mean.mean, mean.variance, np.array([mean.difference])]
    for each in found.proportions.values():
        rows += [each.persons, each.proportion, each.differences, np.array([each.difference])]
    return np.concatenate([np.ravel(row) for row in rows])


@pytest.mark.parametrize(
    "split",
    [by_covariate("age"), by_outcome("affair"), lopsided],
    ids=("covariate", "outcome", "lopsided"),
)
@pytest.mark.parametrize("masked", [True, False], ids=("masked", "clear"))
def test_the_table_of_hospitals_is_that_of_the_pool(split: Split, masked: bool) -> None:
    rows = fair()
    run = network(divided(rows, split(rows)), masked=masked)
    found = table_one(run, TABLE)
    theirs = numbers(table_one(pooled(rows), TABLE))
    assert np.max(np.abs(numbers(found) - theirs) / np.maximum(1, np.abs(theirs))) < 1e-9
    assert found.exchanges == run.exchanges == 2


def test_the_table_of_the_pool_is_that_of_its_definition() -> None:
    rows = fair()
    found = table_one(pooled(rows), TABLE)
    age, education = rows.column("age"), rows.column("educ")
    groups = [rows.column("affair") == of for of in (0, 1)]
    assert found.persons.tolist() == [of.sum() for of in groups]
    mean, variance = [age[of].mean() for of in groups], [age[of].var(ddof=1) for of in groups]
    np.testing.assert_allclose(found.means["age"].mean, mean, rtol=1e-10)
    np.testing.assert_allclose(found.means["age"].variance, variance, rtol=1e-9)
    apart = (mean[1] - mean[0]) / np.sqrt(np.mean(variance))
    assert found.means["age"].difference == pytest.approx(apart, rel=1e-9)
    counts = np.array([[(education[of] == level).sum() for of in groups] for level in EDUCATION])
    np.testing.assert_array_equal(found.proportions["educ"].persons, counts)
    p = counts / counts.sum(axis=0)
    np.testing.assert_allclose(found.proportions["educ"].proportion, p, rtol=1e-10)
    # Yang and Dalton's may leave any one level out.
    c, t = p[:-1].T
    s = (np.diag(t) - np.outer(t, t) + np.diag(c) - np.outer(c, c)) / 2
    together = np.sqrt((t - c) @ np.linalg.inv(s) @ (t - c))
    assert found.proportions["educ"].difference == pytest.approx(together, rel=1e-9)
    flag = found.proportions["is_religious"]
    assert flag.differences is not None
    assert abs(flag.differences[1]) == pytest.approx(flag.difference, rel=1e-9)


def test_weighted_means_are_those_of_statsmodels() -> None:
    rows = fair()
    weight = np.random.default_rng(1).gamma(2, size=len(rows))
    rows = Rows(rows.person, rows.split_key, rows.person % 4, {**rows.columns, "w": weight})
    found = table_one(network(rows), TableOne(("age",), {"is_religious": FLAG}, weights="w"))
    theirs = DescrStatsW(rows.column("age"), weights=weight)
    assert found.means["age"].mean[0] == pytest.approx(theirs.mean, rel=1e-10)
    total, squares = weight.sum(), (weight**2).sum()
    variance = theirs.var * total**2 / (total**2 - squares)
    assert found.means["age"].variance[0] == pytest.approx(variance, rel=1e-9)
    assert found.means["age"].difference is None
    share = weight @ rows.column("is_religious") / total
    assert found.proportions["is_religious"].proportion[1, 0] == pytest.approx(share, rel=1e-9)


def crowd(**flags: Floats) -> Rows:
    n = 600
    rows = rows_of({"group": np.arange(n) % 2, "x": np.arange(n) % 7, **flags})
    return divided(rows, np.arange(n) // 2 % 4)


def test_a_column_with_a_small_cell_is_suppressed_and_the_others_are_not() -> None:
    n = np.arange(600)
    rows = crowd(rare=n < 16, common=n % 3 == 0, nearly_all=n >= 16)
    columns = {"rare": FLAG, "common": FLAG, "nearly_all": FLAG}
    found = table_one(network(rows), TableOne(("x",), columns, group="group"))
    assert found.suppressed == ("rare", "nearly_all")
    assert list(found.proportions) == ["common"]
    # Sixteen are enough in one group, whose complement is large.
    assert table_one(network(rows), TableOne(("x",), columns)).suppressed == ("nearly_all",)


def test_two_columns_of_nearly_the_same_persons_are_not_both_shown() -> None:
    n = np.arange(600)
    rows = crowd(diabetes=n < 200, treated=n < 196, healthy=n >= 203, other=n < 150)
    columns = {"diabetes": FLAG, "treated": FLAG, "healthy": FLAG, "other": FLAG}
    found = table_one(network(rows), TableOne(levels=columns))
    assert found.suppressed == ("treated", "healthy")


def test_a_small_group_refuses_the_table_without_a_number() -> None:
    rows = crowd(few=np.arange(600) < 8)
    with pytest.raises(SuppressedError, match="in persons; suppressed is not zero") as error:
        table_one(network(rows), TableOne(("x",), group="few"))
    assert "8" not in str(error.value)


def test_values_besides_the_levels_and_an_empty_table_are_refused() -> None:
    rows = crowd()
    with pytest.raises(FederationError, match="do not allow the answer: parameters_do_not_fit"):
        table_one(network(rows), TableOne(levels={"x": (0.0, 1.0)}))
    with pytest.raises(EstimationError, match="name columns"):
        table_one(network(rows), TableOne())
