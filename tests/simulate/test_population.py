"""Who the persons of a chunk are, against the parameters they are drawn from."""

import numpy as np
import pyarrow.compute as pc
import pytest

from pumasi.simulate.columns import day_number, days_of, places_of
from pumasi.simulate.population import GROUPS, onset_ages, persons_of, survival
from pumasi.simulate.schemas import SCHEMAS
from pumasi.simulate.world import Chunk, World


def test_the_same_chunk_gives_the_same_persons() -> None:
    world = World()
    chunk = Chunk("bada", 0, 500)
    assert persons_of(chunk, world).equals(persons_of(chunk, world))
    assert persons_of(chunk, world).schema == SCHEMAS["persons"]


def test_persons_are_born_before_they_are_patients_and_enter_within_the_years() -> None:
    world = World()
    persons = persons_of(next(world.chunks("haneul")), world)
    birth, entry = days_of(persons["birth_date"]), days_of(persons["entry_date"])
    assert (birth < entry).all()
    assert entry.min() == day_number(world.start)
    assert entry.max() < day_number(world.end) - 364
    assert persons["female"].to_numpy().mean() == pytest.approx(0.52, abs=0.015)


def test_carriers_are_as_many_as_the_preset_says_and_of_the_right_sex() -> None:
    world = World()
    persons = persons_of(next(world.chunks("haneul")), world)
    group = places_of(persons["fabry_group"], GROUPS)
    carriers = (group >= 0) & (group < 4)
    # Binomial with mean 900: four standard deviations are 117.
    assert abs(np.count_nonzero(carriers) - 900) < 118
    female = persons["female"].to_numpy()
    for place, name in enumerate(GROUPS):
        assert (female[group == place] == name.endswith("F")).all()


def test_a_family_has_one_variant() -> None:
    world = World()
    persons = persons_of(next(world.chunks("haneul")), world).select(["family", "variant"])
    members = persons.filter(pc.is_valid(persons["family"]))
    variants = members.group_by("family").aggregate([("variant", "count_distinct")])
    assert pc.max(variants["variant_count_distinct"]).as_py() == 1
    assert 1.5 < members.num_rows / variants.num_rows < 2.1


def test_asthma_is_as_common_as_the_hospital_has_it_and_begins_before_the_end() -> None:
    world = World()
    persons = persons_of(next(world.chunks("haneul")), world)
    asthma = persons["asthma"].to_numpy()
    assert asthma.mean() == pytest.approx(0.072, abs=0.008)
    onset = days_of(persons["asthma_onset"])
    assert (onset[asthma] <= day_number(world.end)).all()
    assert (onset[asthma] >= days_of(persons["birth_date"])[asthma]).all()
    assert persons["endotype"].null_count == np.count_nonzero(~asthma)


def test_ages_at_onset_have_their_median_and_stay_within_bounds() -> None:
    draw = np.random.default_rng(1)
    ages = onset_ages(draw, 30.0, 0.5, 40_000)
    assert np.median(ages) == pytest.approx(30, rel=0.02)
    bounded = onset_ages(draw, 30.0, 0.5, 5_000, low=2, high=25.0)
    assert bounded.min() >= 2
    assert bounded.max() <= 25


def test_half_are_alive_at_the_median() -> None:
    assert survival(58, 58) == pytest.approx(0.5)
    assert survival(0, 58) == 1
