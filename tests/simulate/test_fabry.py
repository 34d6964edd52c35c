"""Fabry disease: courses against the parameters, effects against the same course untreated."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pumasi.simulate.fabry import (
    CARRIERS,
    STRATEGIES,
    Course,
    Nature,
    course,
    crossing,
    lysogb3_of,
    manifestations,
    nature_of,
    untreated_slope,
)
from pumasi.simulate.fabry_diagnosis import Carriers, carriers_of
from pumasi.simulate.parameters import parameters
from pumasi.simulate.population import People, persons_of
from pumasi.simulate.world import Chunk, World

SIZE = 8_000
BETA, ALFA = STRATEGIES.index("agalsidase_beta"), STRATEGIES.index("agalsidase_alfa")


@dataclass(frozen=True)
class Crowded(World):
    """A world in which half of all patients are carriers."""

    def fabry_carriers(self, hospital: str) -> float:
        return 0.5


@cache
def untreated(group: int) -> tuple[Nature, Course]:
    nature = nature_of(np.random.default_rng(group), np.full(SIZE, group))
    return nature, course(nature)


@cache
def carriers() -> Carriers:
    world = Crowded()
    chunk = Chunk("haneul", 0, 6_000)
    people = People.of(persons_of(chunk, world))
    return carriers_of(world.generator(chunk, "fabry"), people, "haneul", world)


@pytest.mark.parametrize("group", range(4))
def test_manifestations_reach_their_probability_by_70(group: int) -> None:
    nature, _ = untreated(group)
    for name in manifestations():
        expected = parameters("fabry")["manifestations"][name][CARRIERS[group]]["p"]
        found = (nature.of(name) <= 70).mean()
        assert found == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / SIZE))


def test_early_onset_in_one_organ_goes_with_early_onset_in_another() -> None:
    nature, _ = untreated(CARRIERS.index("classic_F"))
    pain, kidney = nature.of("neuropathic_pain"), nature.of("proteinuria")
    both = np.isfinite(pain) & np.isfinite(kidney)
    assert np.corrcoef(np.log(pain[both]), np.log(kidney[both]))[0, 1] > 0.3


def test_slopes_in_men_with_heavy_proteinuria_are_those_of_the_literature() -> None:
    nature, _ = untreated(CARRIERS.index("classic_M"))
    slopes = untreated_slope(nature, np.full(SIZE, 2.0))
    assert slopes.mean() == pytest.approx(-5.6, abs=0.1)
    assert slopes.std() == pytest.approx(1.5, abs=0.1)


@pytest.mark.parametrize("group", range(4))
def test_a_better_drug_never_makes_a_course_worse(group: int) -> None:
    nature, natural = untreated(group)
    beta = course(nature, drug=BETA, start=30.0)
    alfa = course(nature, drug=ALFA, start=30.0)
    assert (beta.egfr >= natural.egfr - 1e-9).all()
    assert (beta.egfr >= alfa.egfr - 1e-9).all()
    assert (beta.eskd >= natural.eskd).all()
    for event in ("mace", "stroke", "death"):
        assert (getattr(beta, event) >= getattr(natural, event) - 1e-9).all()


@pytest.mark.parametrize("group", range(4))
def test_before_its_start_a_drug_changes_nothing(group: int) -> None:
    nature, natural = untreated(group)
    treated = course(nature, drug=BETA, start=40.5)
    assert (treated.egfr[:41] == natural.egfr[:41]).all()
    assert (treated.lvmi[:41] == natural.lvmi[:41]).all()
    early = natural.stroke < 40.5
    assert (treated.stroke[early] == natural.stroke[early]).all()


def test_migalastat_does_nothing_in_who_is_not_amenable() -> None:
    nature, natural = untreated(0)
    amenable = np.arange(SIZE) % 2 == 0
    treated = course(nature, drug=3, start=25.0, amenable=amenable)
    assert (treated.egfr[:, ~amenable] == natural.egfr[:, ~amenable]).all()
    assert (treated.egfr[60, amenable] > natural.egfr[60, amenable]).mean() > 0.5


def test_the_gain_of_slope_is_the_product_of_its_modifiers() -> None:
    """A man who starts at 25 with a UPCR below 0.5 gains 1.0 * 1.8 * 1.4 a year, down to -0.3."""
    nature, natural = untreated(0)
    treated = course(nature, drug=BETA, start=25.0)
    chosen = (natural.upcr[25] < 0.5) & (natural.upcr[27] < 0.5) & (nature.slope_start < 25)
    chosen &= natural.egfr[25] >= 45
    chosen &= (natural.egfr[26] - natural.egfr[25]) < -0.3 - 1.8 * 1.4
    gain = (treated.egfr[27] - treated.egfr[26]) - (natural.egfr[27] - natural.egfr[26])
    assert chosen.sum() > 50
    assert gain[chosen] == pytest.approx(1.8 * 1.4)


def test_lyso_gb3_has_the_moments_of_the_parameters() -> None:
    for group, mean, sd in ((0, 61, 38), (3, 2.4, 1.0)):
        values = lysogb3_of(np.random.default_rng(2), np.full(60_000, group))
        assert values.mean() == pytest.approx(mean, rel=0.03)
        assert values.std() == pytest.approx(sd, rel=0.06)


def test_who_is_a_patient_has_lived_until_then() -> None:
    nature, _ = untreated(0)
    later = course(nature, survived_to=65.0)
    assert later.death.min() >= 65


def test_diagnosis_comes_after_suspicion_and_before_treatment() -> None:
    found = carriers()
    known = np.isfinite(found.diagnosis)
    assert 0.15 < known.mean() < 0.6
    assert (found.suspicion[known] < found.diagnosis[known]).all()
    treated = np.isfinite(found.start)
    assert (found.start[treated] > found.diagnosis[treated]).all()
    assert known[treated].all()
    assert (found.diagnosis[known] < found.stop[known]).all()


def test_a_wrong_diagnosis_comes_before_the_right_one() -> None:
    found = carriers()
    wrong = np.isfinite(found.misdiagnosed)
    both = wrong & np.isfinite(found.diagnosis)
    assert (found.misdiagnosed[both] < found.suspicion[both]).all()
    assert (found.misdiagnosed[wrong] > found.symptom[wrong]).all()


def test_only_the_amenable_take_migalastat() -> None:
    found = carriers()
    takes = found.drug == STRATEGIES.index("migalastat")
    assert found.amenable[takes].all()
    known = np.isfinite(found.diagnosis)
    assert found.propensity_drug[:, known].sum(axis=0) == pytest.approx(1.0)


def test_starts_within_a_year_follow_the_propensity() -> None:
    found = carriers()
    # Since 2003 there are drugs, and who dies first can't start.
    recent = np.isfinite(found.diagnosis) & (found.birth / 365.25 + found.diagnosis > 34)
    recent &= found.diagnosis + 1 < found.stop
    started = found.start[recent] < found.diagnosis[recent] + 1
    expected = found.propensity[recent]
    error = np.sqrt((expected * (1 - expected)).sum()) / recent.sum()
    assert abs(started.mean() - expected.mean()) < 4 * error


def test_men_are_treated_more_than_women_and_the_classic_more_than_the_late() -> None:
    found = carriers()
    known = np.isfinite(found.diagnosis)
    means = [found.propensity[known & (found.nature.group == g)].mean() for g in range(4)]
    assert means[0] > means[1] > means[2] > means[3]


@settings(deadline=None, max_examples=60)
@given(steps=st.lists(st.floats(0, 3), min_size=3, max_size=12), threshold=st.floats(0.01, 20))
def test_an_event_comes_in_the_year_in_which_its_hazard_is_spent(
    steps: list[float], threshold: float
) -> None:
    values = np.concatenate([[0.0], np.cumsum(steps)])
    age = crossing(values[:, None], np.array([threshold]))[0]
    if values[-1] < threshold:
        assert age == np.inf
    else:
        assert np.interp(age, np.arange(len(values)), values) == pytest.approx(threshold, abs=1e-6)
