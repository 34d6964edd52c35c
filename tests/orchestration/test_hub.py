"""The hub's code location: it loads, publishes what it knows, and touches nothing of a hospital."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from orchestration.hub.definitions import PUBLISH, hub
from orchestration.hub.models import how_it_ended, key_of
from pumasi.config import load_network, project_root
from pumasi.errors import ConfigError
from pumasi.learn.tasks import NETWORK_TASKS, TASKS


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's own network, copied, with an empty home."""
    folder = tmp_path / "network"
    shutil.copytree(project_root() / "network", folder)
    monkeypatch.setenv("PUMASI_NETWORK", str(folder))
    monkeypatch.setenv("PUMASI_HOME", str(tmp_path / "home"))
    return folder


def test_the_job_writes_down_the_hospitals_and_the_tasks(network: Path) -> None:
    definitions = hub()
    dg.Definitions.validate_loadable(definitions)
    with dg.DagsterInstance.ephemeral() as instance:
        done = definitions.resolve_job_def(PUBLISH).execute_in_process(instance=instance)
    assert done.success
    home = network.parent / "home"
    hospitals = json.loads((home / "hub" / "hospitals.json").read_text())
    assert [(each["id"], each["format"]) for each in hospitals] == [
        ("bada", "omop_cdm"),
        ("deul", "synthea_csv"),
        ("haneul", "hospital_csv"),
        ("sup", "fhir_r4"),
    ]
    tasks = json.loads((home / "hub" / "tasks.json").read_text())
    assert [each["name"] for each in tasks] == [task.name for task in TASKS]
    assert tasks[1]["minimum_cases"] == 20
    assert sorted(path.name for path in home.iterdir()) == ["hub"], "nothing of a hospital's"


def test_the_tables_of_the_ui_have_a_line_for_each(network: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        done = hub().resolve_job_def(PUBLISH).execute_in_process(instance=instance)
    (made,) = done.asset_materializations_for_node("hub__hospitals")
    table = made.metadata["table"].value
    assert isinstance(table, str)
    assert len(table.splitlines()) == 2 + len(load_network(network, resolve=False))
    assert "| haneul | Haneul" in table


def test_what_came_of_a_model_is_said_from_the_metadata_of_its_asset(network: Path) -> None:
    asthma = NETWORK_TASKS[0]
    learned = {
        "own model better at": "none that may tell",
        "AUROC": 0.6692,
        "AUROC lower": 0.644,
        "AUROC upper": 0.694,
        "persons": 1796,
        "exchanges": 11,
        "hospitals": "bada, sup, deul",
        "page": "models/asthma_exacerbation/0.html",
    }
    with dg.DagsterInstance.ephemeral() as instance:
        said = [how_it_ended(asthma, instance)]
        for metadata in ({"state": "not learned: too few"}, learned):
            made = dg.AssetMaterialization(key_of(asthma), metadata=metadata)
            instance.report_runless_asset_event(made)
            said.append(how_it_ended(asthma, instance))
    assert said == [
        "asthma_exacerbation: never learned",
        "asthma_exacerbation: not learned: too few",
        "asthma_exacerbation: AUROC 0.669 (0.644 to 0.694), 1,796 persons of bada, sup, deul; own "
        "model better at: none that may tell; page "
        f"{network.parent / 'home' / 'hub' / 'models' / 'asthma_exacerbation' / '0.html'}",
    ]


@pytest.mark.usefixtures("network")
def test_without_a_network_that_is_up_learning_fails_and_says_so() -> None:
    learn = [sys.executable, "-c", "from pumasi.cli import main; main()", "network", "learn"]
    ended = subprocess.run(learn, capture_output=True, text=True, check=False, timeout=240)
    assert ended.returncode == 1
    said = " ".join(ended.stdout.split())
    assert "hub_learn: failed" in said
    assert "no network is up: `pumasi network up`" in said


def test_a_network_without_hub_toml_has_no_hub(network: Path) -> None:
    (network / "hub.toml").unlink()
    with pytest.raises(ConfigError, match=r"write hub\.toml in the network folder"):
        hub()
