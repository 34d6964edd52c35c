"""The rate of attacks against values worked by hand, and the effects against their tables."""

from copy import deepcopy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumasi.simulate.asthma_rate import (
    ARMS,
    Markers,
    allergic,
    cells,
    log_rate,
    log_rate_ratios,
    onset_weight,
    probability,
    step_up_ratio,
    washout_weight,
)
from pumasi.simulate.parameters import parameters

NUMBERS = deepcopy(parameters("asthma"))
NUMBERS["base_rate_per_year"]["by_severity"] = [0.1, 0.14, 0.21, 0.4, 0.78]


def rate(**values: float) -> float:
    usual = {"severity": 3, "eos": 200.0, "feno": 25.0, "fev1_pct": 80.0, "pdc": 0.25}
    return float(np.exp(log_rate(NUMBERS, **(usual | values))))


def markers(eos: float, feno: float, ige: float = 100.0, atopic: bool = False) -> Markers:
    array = np.array
    return Markers(array([eos]), array([feno]), array([ige]), array([atopic]), array([False]))


def ratio(drug: str, of: Markers) -> float:
    return float(np.exp(log_rate_ratios(NUMBERS, of)[0, ARMS.index(drug)]))


def test_without_anything_special_the_rate_is_that_of_the_severity() -> None:
    assert [rate(severity=step) for step in range(1, 6)] == pytest.approx(
        [0.1, 0.14, 0.21, 0.4, 0.78]
    )


def test_the_rate_is_that_worked_out_by_hand() -> None:
    # 0.78 * 1.48 (ten times the eosinophils) * 1.44^log10(2) * 1.10^2 * 0.61^((0.5-0.25)/0.5)
    by_hand = 0.78 * 1.48 * 1.1160 * 1.21 * 0.7810
    worked = rate(severity=5, eos=2000.0, feno=50.0, fev1_pct=60.0, pdc=0.5)
    assert worked == pytest.approx(by_hand, rel=1e-3)


def test_adherence_acts_between_a_quarter_and_three_quarters_of_the_days() -> None:
    assert rate(pdc=0.0) == rate(pdc=0.25)
    assert rate(pdc=0.75) == rate(pdc=1.0) == pytest.approx(0.61 * 0.21)


def test_cells_begin_at_their_lower_bound() -> None:
    of = Markers(
        np.array([149.9, 150.0, 299.9, 300.0]),
        np.array([24.9, 25.0, 49.9, 50.0]),
        np.ones(4),
        np.zeros(4, bool),
        np.zeros(4, bool),
    )
    row, column = cells(NUMBERS, of)
    assert row.tolist() == [0, 1, 1, 2]
    assert column.tolist() == [0, 1, 1, 2]


@pytest.mark.parametrize("drug", ["dupilumab", "tezepelumab"])
def test_the_ratio_of_a_drug_is_that_of_its_cell(drug: str) -> None:
    table = NUMBERS[f"{drug}_rr"]["cells"]
    found = [[ratio(drug, markers(eos, feno)) for feno in (10, 30, 80)] for eos in (90, 200, 600)]
    np.testing.assert_allclose(found, table)


def test_anti_il5_goes_by_four_bands_of_eosinophils() -> None:
    found = [ratio("mepolizumab", markers(eos, 20)) for eos in (100, 200, 400, 700)]
    assert found == pytest.approx([0.80, 0.64, 0.50, 0.30])


def test_omalizumab_works_in_the_allergic_only() -> None:
    assert ratio("omalizumab", markers(200, 20, ige=100, atopic=True)) == pytest.approx(0.72)
    assert ratio("omalizumab", markers(200, 30, ige=100, atopic=True)) == pytest.approx(0.72 * 0.85)
    assert ratio("omalizumab", markers(200, 30, ige=900, atopic=True)) == 1.0
    assert ratio("omalizumab", markers(200, 30, ige=100, atopic=False)) == 1.0
    assert not allergic(np.array([True]), np.array([29.0]))[0]


def test_polyps_make_dupilumab_work_better() -> None:
    of = Markers(
        *(np.array([v]) for v in (600.0, 80.0, 100.0)), np.array([False]), np.array([True])
    )
    assert ratio("dupilumab", of) == pytest.approx(0.27 * 0.9)


def test_a_step_up_helps_those_with_high_markers_most() -> None:
    found = [step_up_ratio(NUMBERS, markers(*m))[0] for m in ((100, 10), (200, 30), (100, 60))]
    assert found == [0.97, 0.85, 0.72]


def test_a_drug_reaches_its_effect_in_four_weeks_and_leaves_in_twelve() -> None:
    assert onset_weight(NUMBERS, [0, 1, 12]) == pytest.approx([0.5436, 1, 1], abs=1e-3)
    assert washout_weight(NUMBERS, [0, 1, 2, 3]) == pytest.approx(
        [0.819, 0.457, 0.094, 0], abs=1e-3
    )


@given(st.floats(0, 50), st.floats(0, 50))
def test_a_higher_rate_gives_no_lower_probability(one: float, other: float) -> None:
    low, high = probability([min(one, other), max(one, other)])
    assert 0 <= low <= high < 1
