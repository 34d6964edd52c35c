"""Phenotypes against lives: the counts add up, and what is recorded perfectly is found."""

import pytest

from pumasi.config import project_root
from pumasi.simulate import World
from pumasi.simulate.validation import PHENOTYPES, Counts, as_markdown, validate
from tests.simulate.conftest import Network

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found(network: Network) -> list[Counts]:
    """Four hospitals of a thousand persons that write down everything, once and at once."""
    world = World(scale=0.02, recording="perfect", label_shift=False, concept_shift=False)
    return list(validate(world, network.made_with))


def of(found: list[Counts], phenotype: str) -> list[Counts]:
    return [each for each in found if each.phenotype == phenotype]


def test_every_phenotype_is_counted_at_every_hospital(found: list[Counts]) -> None:
    assert len(found) == 4 * (len(PHENOTYPES) + 2)
    for each in found:
        assert each.true_found <= each.true
        assert each.found_true <= each.found


def test_persons_are_true_or_well_and_found_right_or_wrong(found: list[Counts]) -> None:
    for each in found:
        if each.well is None:
            continue
        assert each.well_not_found is not None
        assert each.true_found == each.found_true
        assert each.found - each.found_true == each.well - each.well_not_found


def test_a_diagnosis_that_is_always_written_finds_everybody_and_nobody_else(
    found: list[Counts],
) -> None:
    for each in of(found, "asthma: any diagnosis"):
        assert each.found_true == each.found
        assert each.true_found >= 0.97 * each.true  # an onset after the last visit is not seen
    assert sum(each.true for each in of(found, "asthma: any diagnosis")) > 30


def test_attacks_are_found_where_routes_are_said_and_not_where_they_are_not(
    found: list[Counts],
) -> None:
    shares = {
        each.hospital: each.true_found / each.true
        for each in of(found, "asthma: episodes of exacerbation")
        if each.truth == "every attack"
    }
    assert min(shares["haneul"], shares["bada"], shares["sup"]) > 0.5
    assert shares["deul"] < 0.3


def test_the_table_gives_wilson_s_interval() -> None:
    """Authority: 8 of 10 is 0.490 to 0.943 (Newcombe 1998, method 3, by hand)."""
    text = as_markdown([Counts("bada", "a", "b", 10, 8, 8, 8, None, None)])
    assert text.splitlines()[-1] == (
        "| a | b | bada | 10 | 8 | 0.800 (0.490 to 0.943) | - | 1.000 (0.676 to 1.000) |"
    )


def test_the_document_has_a_row_for_every_phenotype_and_hospital() -> None:
    text = (project_root() / "docs" / "validation" / "phenotypes.md").read_text(encoding="utf-8")
    rows = {tuple(cell.strip() for cell in line.split("|")[1:4]) for line in text.splitlines()}
    for phenotype in PHENOTYPES:
        for hospital in ("haneul", "bada", "sup", "deul"):
            assert (phenotype.name, phenotype.truth, hospital) in rows
