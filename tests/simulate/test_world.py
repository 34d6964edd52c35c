"""The world: its chunks, its streams of random numbers, and what it refuses."""

from dataclasses import replace
from itertools import pairwise

import pytest

from pumasi.errors import ConfigError
from pumasi.simulate.parameters import checked, parameters
from pumasi.simulate.world import CHUNK_PERSONS, HOSPITALS, World


def test_the_demo_has_12000_persons_a_hospital_on_average() -> None:
    world = World()
    assert sum(world.persons(hospital) for hospital in HOSPITALS) == 48_000


def test_chunks_cover_all_persons_once_and_ids_are_unique_in_the_network() -> None:
    chunks = list(World(scale=3.3).chunks())
    spans = sorted((c.first_person, c.first_person + c.persons) for c in chunks)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    assert sum(c.persons for c in chunks) == 66_000 + 46_200 + 29_700 + 16_500
    assert max(c.persons for c in chunks) == CHUNK_PERSONS


def test_streams_differ_by_purpose_chunk_and_seed_and_return_when_asked_again() -> None:
    world = World(scale=2)
    first, second = list(world.chunks("haneul"))
    numbers = {
        world.generator(first, "population").random(),
        world.generator(first, "background").random(),
        world.generator(second, "population").random(),
        replace(world, seed=2).generator(first, "population").random(),
        world.generator(next(world.chunks("bada")), "population").random(),
    }
    assert len(numbers) == 5
    assert world.generator(first, "population").random() in numbers


def test_the_identifiable_world_has_no_confounder_and_perfect_recording() -> None:
    world = World.identifiable()
    assert not world.unmeasured_confounder
    assert (world.assignment, world.recording, world.outside_care) == ("recorded", "perfect", False)


def test_without_label_shift_every_hospital_has_the_mean_share_of_carriers() -> None:
    shares = {World(label_shift=False).fabry_carriers(hospital) for hospital in HOSPITALS}
    world = World()
    expected = sum(world.fabry_carriers(h) * world.persons(h) for h in HOSPITALS) / 48_000
    assert list(shares) == [pytest.approx(expected)]


def test_an_absent_hospital_has_no_chunk() -> None:
    assert {c.hospital for c in World(absent_hospitals=("deul",)).chunks()} == set(HOSPITALS[:3])


@pytest.mark.parametrize(
    "change", [{"scale": 0}, {"seed": -1}, {"shared_patients": 1.0}, {"absent_hospitals": ("x",)}]
)
def test_a_world_that_cannot_be_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        World(**change)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["network", "population", "fabry"])
def test_every_block_of_parameters_says_its_source(name: str) -> None:
    assert parameters(name)


@pytest.mark.parametrize("blocks", [[], {"a": 1}, {"a": {}}, {"a": {"src": "somewhere"}}])
def test_a_block_without_a_source_is_refused(blocks: object) -> None:
    with pytest.raises(ConfigError, match="'x'"):
        checked("x", blocks)


def test_missing_parameters_are_named() -> None:
    with pytest.raises(ConfigError, match="nothing_like_this"):
        parameters("nothing_like_this")
