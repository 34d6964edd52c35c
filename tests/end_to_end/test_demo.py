"""`make demo` and `make example`: the programs that they run, and what these print.

Authority for the example's numbers: OHDSI's GiBleed data set, whose numbers of persons and of first
exposures are those of its tutorials; the others were counted in its files.
"""

from __future__ import annotations

import re

import psutil
import pytest

from pumasi import audit
from pumasi.config import project_root
from pumasi.release import latest_release
from tests.end_to_end.network import Built, Demo

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
FORMATS = {
    "bada": "omop_cdm",
    "deul": "synthea_csv",
    "haneul": "hospital_csv",
    "sup": "fhir_r4",
}


@pytest.mark.parametrize("site", FORMATS)
def test_the_demo_ends_with_an_open_release_of_each_hospital(demo: Demo, site: str) -> None:
    network, said = demo.network, demo.said
    release = latest_release(network.paths(site))
    assert release is not None
    assert not release.reasons_closed()
    persons = release.manifest.tables["person"].rows
    assert re.search(rf"│ {site} │ {FORMATS[site]} │ \d+ │ {persons:,} │ open │", said), said


def test_the_demo_trains_where_there_are_enough_cases_and_says_so_elsewhere(
    demo: Demo,
) -> None:
    network, said = demo.network, demo.said
    models = {
        site: {p.parent.name for p in network.paths(site).models.rglob("*.json")}
        for site in FORMATS
    }
    assert models["haneul"] == {"asthma_exacerbation"}
    assert models["deul"] == set()
    # Who tests is told by keyed hashes, and the keys are new: these have about as many cases among
    # the test persons as the task asks for.
    assert models["bada"] | models["sup"] <= {"asthma_exacerbation"}
    assert re.search(r"model asthma_exacerbation: AUROC 0\.\d+", said)
    assert said.count("model fabry_screening: not trained") == len(FORMATS)
    assert "make dev" in said


def test_the_demo_lets_the_hub_publish(demo: Demo) -> None:
    network, said = demo.network, demo.said
    assert "hub_publish: succeeded" in said
    names = {path.name for path in (network.home / "hub").iterdir()}
    assert names >= {"hospitals.json", "tasks.json", "hub_publish.log"}


def test_the_demo_learns_over_the_network_and_leaves_nothing_running(demo: Demo) -> None:
    network, said = demo.network, demo.said
    assert "hub_learn: succeeded" in said
    assert "4 hospitals are connected" in said
    models = network.home / "hub" / "models"
    (page,) = models.glob("asthma_exacerbation/*.html")
    assert "Beside the pool" in page.read_text()
    area = (
        r"asthma_exacerbation: AUROC (0\.\d+) .* over the network, (0\.\d+) of .* within (0\.\d+)"
    )
    found = re.search(area, said)
    assert found, said
    # The models are one; areas are read from bins, whose bounds a rounding may move a row across.
    network_area, pool_area, error = (float(each) for each in found.groups())
    assert abs(network_area - pool_area) <= 2 * error + 0.001
    difference = re.search(r"of a coefficient or standard error: (\S+)\. ", page.read_text())
    assert difference
    assert float(difference[1]) <= 1e-6
    # A tenth of the persons has fewer cases of Fabry disease than may be counted.
    assert "fabry_screening: not learned: " in said
    for site in FORMATS:
        # Each sees its own figures, in its own folder; a small one may have too few persons to be
        # tested on, which depends on its random key.
        own_pages = list(network.paths(site).network_models.glob("asthma_exacerbation/*.html"))
        assert len(own_pages) in ((0, 1) if site in ("sup", "deul") else (1,))
        assert f"{site}: {len(own_pages)} models of the network judged" in said
        assert all("Stays inside" in own_page.read_text() for own_page in own_pages)
        audit.verify(network.paths(site).audit_log)
        assert (network.paths(site).approvals / "asthma_exacerbation.json").exists()
    running = [p.info["name"] for p in psutil.process_iter(["name"]) if "flower" in p.info["name"]]
    assert not [name for name in running if str(network.home) in name]
    assert not (network.home / "hub" / "network" / "programs.json").exists()


def test_a_demo_of_another_size_is_refused_in_the_same_home(demo: Demo) -> None:
    network = demo.network
    done = network.pumasi("demo", "--scale", "0.05")
    assert done.returncode == 1
    said = " ".join(done.stdout.split())
    assert "the demo's hospitals of another --scale or version" in said
    assert f"set PUMASI_HOME to another folder, or delete {network.home / 'simulation'}" in said


@pytest.mark.parametrize(("before", "number"), PRINTED)
def test_the_example_prints_the_numbers_that_are_known_of_its_data(
    gibleed: Built, before: str, number: str
) -> None:
    said = " ".join(gibleed.said.split())
    assert re.search(rf"{before}[^\d]{{0,40}}\b{number}\b", said), said


def test_the_example_ends_with_an_open_gate_and_a_model(gibleed: Built) -> None:
    said = " ".join(gibleed.said.split())
    assert "gate: open" in said
    assert re.search(r"model gi_bleed_risk: AUROC 0\.\d+", said)


def test_the_targets_of_make_are_those_programs() -> None:
    makefile = (project_root() / "Makefile").read_text()
    example = r"PUMASI_NETWORK=examples/gibleed pumasi build"
    assert re.search(r"^demo: .*\n\tpumasi demo$", makefile, re.MULTILINE)
    assert re.search(rf"^example: .*\n\t{example}$", makefile, re.MULTILINE)
