"""Background morbidity, deaths and care, against the parameters and against each other."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pumasi.simulate.background import (
    Events,
    Morbidity,
    blocks_of,
    deaths_of,
    events_of,
    morbidity_of,
)
from pumasi.simulate.care import Visits, labs_of, treatments_of, visits_of
from pumasi.simulate.columns import NEVER, YEAR_DAYS, day_number, days_of
from pumasi.simulate.kidney import creatinine_of, egfr_of
from pumasi.simulate.population import People, persons_of
from pumasi.simulate.schemas import SCHEMAS
from pumasi.simulate.world import World

WORLD = World()


@dataclass(frozen=True)
class Lives:
    people: People
    morbidity: Morbidity
    events: Events
    visits: Visits
    treatments: pa.Table
    tests: pa.Table


@cache
def haneul() -> Lives:
    """Return the background of the 20,000 persons of haneul."""
    chunk = next(WORLD.chunks("haneul"))
    draw = WORLD.generator(chunk, "background")
    people = People.of(persons_of(chunk, WORLD))
    morbidity = morbidity_of(draw, people)
    people = replace(people, death=deaths_of(draw, people, morbidity, WORLD))
    events = events_of(draw, people, morbidity, WORLD)
    visits = visits_of(draw, people, morbidity, events, "haneul", WORLD)
    treatments = treatments_of(draw, people, morbidity, visits)
    tests = labs_of(draw, people, morbidity, visits, "haneul")
    return Lives(people, morbidity, events, visits, treatments, tests)


def test_no_condition_is_recognised_before_it_begins() -> None:
    morbidity = haneul().morbidity
    assert (morbidity.recognised >= morbidity.onset).all()


def test_no_condition_begins_before_birth() -> None:
    lives = haneul()
    assert (lives.morbidity.onset >= lives.people.birth).all()


def test_a_consequence_never_comes_before_its_cause() -> None:
    morbidity = haneul().morbidity
    for effect, cause in (("eskd", "ckd"), ("hepatic_failure", "liver_cirrhosis")):
        ill = morbidity.of(effect) < NEVER
        assert ill.any()
        assert (morbidity.of(effect)[ill] >= morbidity.of(cause)[ill]).all()


def test_lifetime_probabilities_without_risks_are_those_of_the_parameters() -> None:
    lives = haneul()
    for name in ("hypothyroidism", "irritable_bowel", "osteoporosis"):
        probability = blocks_of("conditions")[name]["p"]
        for sex, expected in ((False, probability[0]), (True, probability[1])):
            chosen = (lives.people.female == sex) & ~lives.people.carrier
            share = (lives.morbidity.of(name)[chosen] < NEVER).mean()
            error = np.sqrt(expected * (1 - expected) / chosen.sum())
            assert abs(share - expected) < 4 * error


def test_every_charlson_category_and_every_negative_control_occurs() -> None:
    lives = haneul()
    charlson = {
        *("mi", "heart_failure", "peripheral_vascular_disease", "stroke", "dementia", "copd"),
        *("rheumatoid_arthritis", "peptic_ulcer", "chronic_liver_disease", "diabetes"),
        *("diabetes_complication", "hemiplegia", "ckd", "malignancy", "hepatic_failure"),
        *("metastatic_cancer", "hiv"),
    }
    for name in charlson:
        assert (lives.morbidity.recognised[lives.morbidity.names.index(name)] < NEVER).any()
    seen = {lives.events.names[place] for place in np.unique(lives.events.event)}
    assert set(blocks_of("negative_controls")["terms"]) <= seen


def test_negative_controls_occur_at_their_rates() -> None:
    lives = haneul()
    stop = np.minimum(lives.people.death, day_number(WORLD.end))
    age = ((lives.people.entry + stop) / 2 - lives.people.birth) / YEAR_DAYS
    years = (stop - lives.people.entry) / YEAR_DAYS
    for name in ("ankle_sprain", "impacted_cerumen", "bppv"):
        block = blocks_of("events")[name]
        expected = (block["rate"] / 1000 * block["per_decade"] ** ((age - 40) / 10) * years).sum()
        found = np.count_nonzero(lives.events.event == lives.events.names.index(name))
        assert abs(found - expected) < 4 * np.sqrt(expected)


def test_nothing_happens_before_entry_or_after_death() -> None:
    lives = haneul()
    people, visits = lives.people, lives.visits
    stop = np.minimum(people.death, day_number(WORLD.end))
    for row, day in ((visits.row, visits.day), (lives.events.row, lives.events.day)):
        assert (day >= people.entry[row]).all()
        assert (day < stop[row]).all()
    assert (people.death > people.entry).all()


def test_the_old_and_the_ill_die_more() -> None:
    lives = haneul()
    people = lives.people
    age = (people.entry - people.birth) / YEAR_DAYS
    dead = people.death < NEVER
    assert dead[age < 40].mean() < 0.02
    assert dead[age > 75].mean() > 0.4
    ill = lives.morbidity.of("metastatic_cancer") < people.entry
    assert dead[ill].mean() > 2 * dead.mean()


def test_there_are_100_source_rows_a_person_in_the_demo() -> None:
    """A visit has one diagnosis at least: its reason."""
    lives = haneul()
    rows = 2 * len(lives.visits.row) + lives.treatments.num_rows + lives.tests.num_rows
    assert rows / len(lives.people.person) > 105


def test_drugs_and_tests_belong_to_a_visit() -> None:
    lives = haneul()
    person = lives.people.person[lives.visits.row]
    visits = set(zip(person.tolist(), lives.visits.day.tolist(), strict=True))
    for table, day in ((lives.treatments, "start_date"), (lives.tests, "date")):
        rows = zip(table["person"].to_pylist(), days_of(table[day]).tolist(), strict=True)
        assert set(rows) <= visits
    assert lives.treatments.schema == SCHEMAS["treatments"]
    assert lives.tests.schema == SCHEMAS["tests"]


def test_white_cells_are_where_clinical_knowledge_has_them() -> None:
    tests = haneul().tests
    wbc = tests.filter(pc.equal(tests["test"], "wbc"))["value"].to_numpy()
    assert np.median(wbc) == pytest.approx(6.8, abs=0.15)


@pytest.mark.parametrize(
    ("creatinine", "age", "female", "egfr"),
    [
        (0.6, 30, True, 123.8),
        (0.9, 30, False, 117.8),
        (1.0, 50, False, 91.7),
        (1.0, 50, True, 68.6),
        (1.5, 45, False, 58.1),
        (2.5, 60, True, 21.5),
    ],
)
def test_filtration_is_that_of_ckd_epi_2021(
    creatinine: float, age: float, female: bool, egfr: float
) -> None:
    assert egfr_of(creatinine, age, female) == pytest.approx(egfr, abs=0.05)
    assert creatinine_of(egfr_of(creatinine, age, female), age, female) == pytest.approx(creatinine)


def test_every_term_of_the_background_is_a_word_of_small_letters() -> None:
    terms = [*blocks_of("conditions"), *blocks_of("events"), *blocks_of("labs")]
    assert all(term == term.lower() and term.isidentifier() for term in terms)
