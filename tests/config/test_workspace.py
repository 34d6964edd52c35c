"""workspace.yaml and profiles.yml agree with the network folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pumasi.config import load_hub, load_network, project_root
from pumasi.config.environment import program_environment
from pumasi.config.workspace import (
    profiles_folder,
    render_profiles,
    render_workspace,
    workspace_file,
    write_dagster_home,
    write_workspace,
)
from pumasi.errors import ConfigError
from tests.config.test_site import GOOD, write_site

STALE = "is stale: run `pumasi site sync`"


def location(module: str, name: str) -> dict[str, dict[str, str]]:
    """A code location of workspace.yaml, called like the attribute that it names."""
    named = {"module_name": module, "attribute": name, "location_name": name}
    return {"python_module": named}


def two_sites(folder: Path) -> Path:
    write_site(folder, GOOD.replace('"extract"', '"${NO_SUCH_VARIABLE}"'))
    other = GOOD.replace('"fhir_r4"', '"omop_cdm"').replace("value_string", "value_as_string")
    write_site(folder, other, "sup.toml")
    return folder


def test_the_files_in_the_repository_agree_with_its_network() -> None:
    network = load_network(project_root() / "network", resolve=False)
    written = {
        "workspace.yaml": render_workspace(network, load_hub(project_root() / "network")),
        "dbt_project/profiles.yml": render_profiles(network),
    }
    for name, content in written.items():
        assert (project_root() / name).read_text(encoding="utf-8") == content, f"{name} {STALE}"


def test_every_site_is_a_code_location(tmp_path: Path) -> None:
    network = load_network(two_sites(tmp_path), resolve=False)
    workspace = yaml.safe_load(render_workspace(network, hub=None))
    assert workspace["load_from"] == [
        location("orchestration.site.locations", site) for site in ("bada", "sup")
    ]


def test_the_hub_is_the_last_code_location_where_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "hub.toml").write_text('name = "Two"\ndescription = "Both of them."\n')
    network = load_network(two_sites(tmp_path), resolve=False)
    assert list(network) == ["bada", "sup"]
    workspace = yaml.safe_load(render_workspace(network, load_hub(tmp_path)))
    assert workspace["load_from"][-1] == location("orchestration.hub.definitions", "hub")
    assert len(workspace["load_from"]) == 3


def test_a_key_that_the_hub_s_file_does_not_know_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hub.toml").write_text('name = "Two"\ndescripton = "Both of them."\n')
    with pytest.raises(ConfigError, match="did you mean description") as refused:
        load_hub(tmp_path)
    assert f"{tmp_path / 'hub.toml'}: description is missing" in str(refused.value)


@pytest.mark.parametrize("host", ["hub.example.org", "10.0.0.7", "hub_1", "127.0.0.1"])
def test_a_hub_is_reached_by_a_name_or_an_address(tmp_path: Path, host: str) -> None:
    hub = f'name = "Two"\ndescription = "Both of them."\nhost = "{host}"\n'
    (tmp_path / "hub.toml").write_text(hub)
    found = load_hub(tmp_path)
    assert found is not None
    assert found.host == host


@pytest.mark.parametrize(
    "host",
    ["https://hub.example.org:9092", "hub:9092", "병원.example", "hub example", "-hub", "::1"],
)
def test_a_hub_that_no_certificate_could_name_is_refused(tmp_path: Path, host: str) -> None:
    hub = f'name = "Two"\ndescription = "Both of them."\nhost = "{host}"\n'
    (tmp_path / "hub.toml").write_text(hub, encoding="utf-8")
    with pytest.raises(ConfigError, match="host: wants a name of letters a to z, digits"):
        load_hub(tmp_path)


def test_every_site_is_a_dbt_target_that_knows_its_format(tmp_path: Path) -> None:
    network = load_network(two_sites(tmp_path), resolve=False)
    profile = yaml.safe_load(render_profiles(network))["pumasi"]
    assert {site: output["schema"] for site, output in profile["outputs"].items()} == {
        "bada": "fhir_r4",
        "sup": "omop_cdm",
    }
    assert profile["target"] == "{{ env_var('PUMASI_SITE', 'none_chosen') }}"


def test_the_only_site_is_the_default_target(tmp_path: Path) -> None:
    write_site(tmp_path, GOOD)
    assert "'PUMASI_SITE', 'bada')" in render_profiles(load_network(tmp_path))


def test_an_empty_network_makes_files_that_can_be_read() -> None:
    assert yaml.safe_load(render_workspace({}, hub=None)) == {"load_from": []}
    assert yaml.safe_load(render_profiles({}))["pumasi"]["outputs"] == {}


def test_another_network_is_written_under_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUMASI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PUMASI_NETWORK", str(two_sites(tmp_path / "network")))
    assert write_workspace() == [
        tmp_path / "home" / "workspace.yaml",
        tmp_path / "home" / "dbt" / "profiles.yml",
    ]
    assert "location_name: sup" in workspace_file().read_text(encoding="utf-8")
    assert "sites/sup" in (profiles_folder() / "profiles.yml").read_text(encoding="utf-8")


def test_the_own_network_is_written_beside_the_project() -> None:
    assert workspace_file() == project_root() / "workspace.yaml"
    assert profiles_folder() == project_root() / "dbt_project"


def test_dagster_reports_nothing_and_lets_one_run_at_a_hospital_s_warehouse() -> None:
    settings = yaml.safe_load((write_dagster_home() / "dagster.yaml").read_text(encoding="utf-8"))
    assert settings["telemetry"] == {"enabled": False}
    assert settings["concurrency"]["pools"] == {"default_limit": 1, "granularity": "run"}


def test_who_reads_dagster_s_settings_while_they_are_written_anew_sees_whole_ones() -> None:
    settings = write_dagster_home() / "dagster.yaml"
    before = "# of an earlier version\n"
    settings.write_text(before, encoding="utf-8")
    with settings.open(encoding="utf-8") as reader:
        write_dagster_home()
        assert reader.read() == before
    assert "granularity: run" in settings.read_text(encoding="utf-8")


def test_dagster_s_settings_are_left_alone_where_nothing_changes() -> None:
    settings = write_dagster_home() / "dagster.yaml"
    before = settings.stat()
    write_dagster_home()
    after = settings.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


POOLED_JOB = """
import sys, time
import dagster as dg

@dg.op(pool="hospital")
def hold():
    print("holding", flush=True)
    time.sleep(float(sys.argv[1]))

@dg.job(executor_def=dg.in_process_executor)
def held():
    hold()

with dg.DagsterInstance.get() as instance:
    held.execute_in_process(instance=instance)
"""


def test_a_killed_run_does_not_keep_the_next_one_waiting(tmp_path: Path) -> None:
    program = tmp_path / "pooled.py"
    program.write_text(POOLED_JOB, encoding="utf-8")
    environment = {**program_environment(), "DAGSTER_HOME": str(write_dagster_home())}
    killed = subprocess.Popen(
        [sys.executable, program, "600"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert killed.stdout
    assert killed.stdout.readline() == b"holding\n"
    killed.kill()
    killed.wait()
    subprocess.run([sys.executable, program, "0"], env=environment, check=True, timeout=120)
