"""The mapping tables of the network folder follow from the terms, and lead where they should."""

import csv

import pytest

from pumasi.config.paths import project_root
from pumasi.omop.project import project_concepts
from pumasi.simulate import read_truth
from pumasi.simulate.mapping import HOSPITALS, concept_map
from pumasi.simulate.parameters import parameters
from pumasi.simulate.terms import kcd_concepts, routes, terms
from tests.simulate.conftest import Network


@pytest.mark.parametrize("hospital", HOSPITALS)
def test_the_files_are_what_the_terms_say(hospital: str) -> None:
    file = project_root() / "network" / hospital / "source_to_concept_map.csv"
    assert file.read_text(encoding="utf-8") == concept_map(hospital)


def test_every_concept_of_a_term_is_in_the_vocabulary_and_standard() -> None:
    for row in terms().to_pylist():
        concept = project_concepts()[row["concept_id"]]
        if row["kind"] not in ("value",):
            assert concept.standard, row["term"]
        if row["verification"] == "local":
            assert concept.verification == "local", row["term"]


def test_haneul_maps_every_code_that_it_means_to_write() -> None:
    rows = list(csv.DictReader(concept_map("haneul").splitlines()))
    mapped = {row["source_code"]: int(row["target_concept_id"]) for row in rows}
    assert {row["code"] for row in kcd_concepts().to_pylist()} <= set(mapped)
    for row in terms().to_pylist():
        if row["kind"] != "condition":
            assert mapped[row["local_code"]] == row["concept_id"], row["term"]
    assert {row["route"]: row["concept_id"] for row in routes().to_pylist()}.items() <= (
        mapped.items()
    )


def test_codes_of_the_house_are_plainly_made_up() -> None:
    for row in terms().to_pylist():
        made_up = row["local_code"].startswith("SIM-")
        assert made_up or row["kind"] == "value", row["term"]


@pytest.mark.parametrize(
    ("table", "column", "kinds"),
    [
        ("onsets", "condition", {"condition"}),
        ("events", "event", {"condition", "procedure"}),
        ("treatments", "drug", {"drug"}),
        ("tests", "test", {"test"}),
        ("tests", "value_term", {"value"}),
    ],
)
def test_every_word_of_a_life_has_a_code(
    network: Network, table: str, column: str, kinds: set[str]
) -> None:
    """A word without one would be written down by nobody, and nobody would be told."""
    said = set(read_truth(network.folder / "truth", f"life_{table}")[column].to_pylist())
    known = {row["term"] for row in terms().to_pylist() if row["kind"] in kinds}
    # The start of dialysis is written down as the procedure that follows from it.
    procedures = parameters("recording")["procedures"]["of_events"]
    assert len(said) > 1
    assert {procedures.get(word, word) for word in said - {None}} <= known
