"""A task learned over four hospitals: as good as of the pool, beside each hospital's own model."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pumasi.auroc import auroc
from pumasi.federation.rows import Rows
from pumasi.learn.network_model import AtHospital, NetworkModel, NetworkTask, learn
from pumasi.learn.task import Task
from pumasi.report.network_model import network_model_page
from tests.estimate.hospitals import divided, network, pooled

TASK = Task(
    name="made_up",
    table="made_up",
    features=("age", "smokes", "is_female", "is_rare"),
    numbers=("age",),
    outcome="falls_ill",
)
NAMES = {"h0": "Haneul University Hospital", "h1": "Bada Hospital", "h2": "Sup", "h3": "Deul"}


def rows() -> Rows:
    """Three hospitals of some size, and one of 60 persons in which few fall ill."""
    rng = np.random.default_rng(3)
    n = 3000
    person = np.arange(n)
    age, smokes = rng.normal(50, 12, n).round(), (rng.random(n) < 0.4).astype(float)
    female = (rng.random(n) < 0.5).astype(float)
    log_odds = -2.2 + 0.04 * (age - 50) + 1.2 * smokes - 0.4 * female
    ill = (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(float)
    rare = np.zeros(n)
    rare[:12] = 1
    columns = {
        "age": age, "smokes": smokes, "is_female": female, "is_rare": rare, "falls_ill": ill,
    }  # fmt: skip
    everybody = Rows(person, rng.integers(0, 100, n), person * 0, columns)
    hospital = np.where(person < 60, 3, person % 3)
    return divided(everybody, hospital)


@pytest.fixture(scope="module")
def models() -> dict[str, tuple[NetworkModel, NetworkModel]]:
    found = {}
    for method in ("ridge", "firth"):
        plan = NetworkTask(TASK, method, interactions=("age:is_female",))  # type: ignore[arg-type]
        found[method] = learn(network(rows()), plan), learn(pooled(rows()), plan)
    return found


@pytest.mark.parametrize("method", ["ridge", "firth"])
def test_the_model_of_the_network_is_that_of_the_pool(
    models: dict[str, tuple[NetworkModel, NetworkModel]], method: str
) -> None:
    found, pool = models[method]
    np.testing.assert_allclose(found.coefficients, pool.coefficients, atol=1e-9)
    np.testing.assert_allclose(found.standard_errors, pool.standard_errors, atol=1e-9)
    assert found.intercept == pytest.approx(pool.intercept, abs=1e-9)
    assert found.auroc.estimate == pytest.approx(pool.auroc.estimate, abs=1e-6)
    assert found.dropped == ("is_rare",)
    assert found.fit_exchanges <= (10 if method == "ridge" else 16)


def test_the_area_is_that_of_the_rows_within_what_the_page_says(
    models: dict[str, tuple[NetworkModel, NetworkModel]],
) -> None:
    found, _ = models["ridge"]
    test = rows().where(rows().split_key >= 70)
    columns = [np.prod([test.column(c) for c in term.split(":")], axis=0) for term in found.terms]
    log_odds = found.intercept + np.column_stack(columns) @ np.array(found.coefficients)
    exact = auroc(test.column("falls_ill") == 1, log_odds)
    assert abs(found.auroc.estimate - exact.estimate) <= found.auroc_error
    assert found.auroc.lower == pytest.approx(exact.lower, abs=0.02)


def test_each_hospital_tells_of_its_own_and_the_small_one_does_not(
    models: dict[str, tuple[NetworkModel, NetworkModel]],
) -> None:
    found, _ = models["ridge"]
    by_name = {each.hospital: each for each in found.hospitals}
    assert by_name["h3"].refusal == "too_few_persons"
    assert by_name["h3"].own is None
    assert not by_name["h3"].own_is_better
    for name in ("h0", "h1", "h2"):
        own, of_network = by_name[name].own, by_name[name].network
        assert own and of_network
        assert 0.5 < own.lower < own.estimate < own.upper < 1
        assert 0.5 < of_network.estimate < 1


def test_the_page_says_first_where_an_own_model_is_better(
    models: dict[str, tuple[NetworkModel, NetworkModel]], tmp_path: Path
) -> None:
    found, pool = models["ridge"]
    page = network_model_page(found, NAMES, pool)
    better = [NAMES[each.hospital] for each in found.hospitals if each.own_is_better]
    first = page[page.index('<section class="verdict') : page.index("</section>")]
    assert all(name in first for name in better)
    assert ("A hospital's own model is better" in first) == bool(better)
    assert "not released (too few persons)" in page
    assert "Largest difference between the model of the network and that of the pool" in page
    assert "<code>is_rare</code>" in page
    assert "http" not in page.replace("http-equiv", "")
    file = found.save(tmp_path)
    assert json.loads(file.read_text())["hospitals"][3]["refusal"] == "too_few_persons"


def test_hospitals_of_one_town_are_told_apart_in_the_plot(
    models: dict[str, tuple[NetworkModel, NetworkModel]],
) -> None:
    found, _ = models["ridge"]
    names = {"h0": "Seoul Asan Hospital", "h1": "Seoul", "h2": "Seoul", "h3": "Seoul " + "A " * 40}
    page = network_model_page(found, names)
    figure = page[page.index("<figure>") : page.index("</figure>")]
    labels = re.findall(r'<text x="0"[^>]*>([^<]+)</text>', figure)
    told = [each.hospital for each in found.hospitals if each.network]
    assert told == ["h0", "h1", "h2"]
    assert labels == ["Seoul Asan Hospital", "h1", "h2"]


def test_a_page_of_hospitals_that_may_not_tell_says_so_without_a_tick(
    models: dict[str, tuple[NetworkModel, NetworkModel]],
) -> None:
    found, _ = models["ridge"]
    silent = [AtHospital(each.hospital, refusal="too_few_persons") for each in found.hospitals]
    page = network_model_page(replace(found, hospitals=tuple(silent)), NAMES)
    first = page[page.index('<section class="verdict') : page.index("</section>")]
    assert "No hospital may tell whether its own model is better" in first
    assert "✓" not in first
    assert "is-open" not in first
