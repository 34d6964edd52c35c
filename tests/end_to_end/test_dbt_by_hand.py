"""The analytics engineer's way: dbt in its own folder, the hospital chosen by PUMASI_SITE."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from pumasi.config import project_root
from tests.end_to_end.network import Built, Demo, Network, program
from tests.end_to_end.stories import Variants


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, str]:
    """Where dbt writes what belongs to the user: not into the working copy of whoever tests."""
    return {"DBT_TARGET_PATH": str(tmp_path / "target"), "DBT_LOG_PATH": str(tmp_path / "logs")}


def dbt(network: Network, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run dbt in its folder, as somebody in a shell does, on the sites of the network."""
    folder = str(project_root() / "dbt_project")
    return network.run([str(program("dbt")), *arguments], folder, **more)


def results(folders: dict[str, str]) -> dict[str, str]:
    """Status of everything that dbt ran, by its id."""
    said = json.loads((Path(folders["DBT_TARGET_PATH"]) / "run_results.json").read_text())
    return {result["unique_id"]: result["status"] for result in said["results"]}


def test_dbt_build_works_on_the_site_that_the_variable_names(
    network: Network, told_otherwise: Variants, folders: dict[str, str]
) -> None:
    site = told_otherwise.again.site
    profiles = str(network.home / "dbt")
    done = dbt(network, "build", DBT_PROFILES_DIR=profiles, PUMASI_SITE=site, **folders)
    assert done.returncode == 0, done.stdout[-3000:]
    statuses = results(folders)
    # The operation leaves in the warehouse which run wrote to it.
    kinds = {name.split(".")[0] for name in statuses}
    assert kinds == {"seed", "model", "test", "unit_test", "operation"}
    assert set(statuses.values()) <= {"success", "pass", "warn"}


def test_the_unit_tests_of_fhir_pass(
    network: Network, smart: Built, folders: dict[str, str]
) -> None:
    profiles = str(network.home / "dbt")
    select = ("--select", "path:models/staging/fhir_r4,test_type:unit")
    done = dbt(
        network, "test", *select, DBT_PROFILES_DIR=profiles, PUMASI_SITE=smart.site, **folders
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert set(results(folders).values()) == {"success", "pass"}


def test_without_the_variable_and_with_several_sites_the_error_lists_them(
    network: Network, folders: dict[str, str]
) -> None:
    done = dbt(network, "build", DBT_PROFILES_DIR=str(network.home / "dbt"), **folders)
    assert done.returncode != 0
    assert all(f"- {path.stem}" in done.stdout for path in network.sites.glob("*.toml"))


def test_one_mart_runs_alone_on_a_site_of_the_project_itself(
    demo: Demo, folders: dict[str, str]
) -> None:
    done = dbt(demo.network, "run", "-s", "asthma__cohort", PUMASI_SITE="bada", **folders)
    assert done.returncode == 0, done.stdout[-3000:]
    models = {name: status for name, status in results(folders).items() if "model." in name}
    assert models == {"model.pumasi.asthma__cohort": "success"}


def test_the_documentation_is_generated(demo: Demo, folders: dict[str, str]) -> None:
    done = dbt(demo.network, "docs", "generate", PUMASI_SITE="bada", **folders)
    assert done.returncode == 0, done.stdout[-3000:]
    catalog = json.loads((Path(folders["DBT_TARGET_PATH"]) / "catalog.json").read_text())
    assert "model.pumasi.asthma__cohort" in catalog["nodes"]
    assert "source.pumasi.fhir_r4.patient" not in catalog["sources"]
