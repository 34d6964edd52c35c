"""Every code location loads and offers what the snapshot says; the workspace names the network."""

from collections import Counter
from collections.abc import Iterator

import dagster as dg
import pytest
import yaml

from expectations.suites import SUITES
from orchestration.site import locations
from pumasi.config import SitePaths, load_network, project_root
from pumasi.config.workspace import write_dagster_home
from pumasi.learn.tasks import TASKS
from pumasi.quality import dbt_checks
from pumasi.quality.catalogue import build_checks
from tests.orchestration.conftest import Ward

SNAPSHOT = project_root() / "tests" / "orchestration" / "bada_assets.txt"


def described(definitions: dg.Definitions) -> str:
    """One line per asset: key, group, what it depends on, its checks."""
    graph = definitions.resolve_asset_graph()
    lines = []
    for key in sorted(graph.get_all_asset_keys()):
        node = graph.get(key)
        parents = ", ".join(sorted(parent.to_user_string() for parent in node.parent_keys))
        checks = ", ".join(sorted(check.name for check in node.check_keys))
        line = f"{key.to_user_string()} ({node.group_name}) <- {parents or 'nothing'}"
        lines.append(line + (f" | checks: {checks}" if checks else ""))
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def bada(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.Definitions]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.delenv("PUMASI_NETWORK", raising=False)
        monkeypatch.setenv("PUMASI_HOME", str(tmp_path_factory.mktemp("bada")))
        write_dagster_home()
        yield locations.bada


@pytest.fixture(scope="module")
def names(bada: dg.Definitions) -> Counter[str]:
    """How often a check of each name is made: dbt's, the suites' and the catalogue's."""
    manifest = SitePaths.of("bada").dbt_target / "manifest.json"
    rules = [rule for suite in SUITES.values() for rule in suite().expectations]
    return Counter(
        [
            *(check.name for check in dbt_checks(manifest)),
            *(rule.meta["check"] for rule in rules),
            *(check.name for check in build_checks()),
        ]
    )


def test_definitions_of_a_hospital_load_and_are_as_in_the_snapshot(
    bada: dg.Definitions,
) -> None:
    """To accept a change: write `described(locations.bada)` to bada_assets.txt."""
    dg.Definitions.validate_loadable(bada)
    assert described(bada) == SNAPSHOT.read_text()


def test_every_asset_has_a_description_an_owner_and_a_group(bada: dg.Definitions) -> None:
    graph = bada.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.owners == ["team:hospital-data"], key
        assert node.group_name != "default", key
        assert node.description, key


def test_lineage_leads_from_the_delivery_to_the_model(bada: dg.Definitions) -> None:
    graph = bada.resolve_asset_graph()
    seen, todo = set(), [dg.AssetKey(["bada", "models", "asthma_exacerbation"])]
    while todo:
        key = todo.pop()
        if key not in seen:
            seen.add(key)
            todo += graph.get(key).parent_keys
    assert {"bada/delivery", "bada/raw", "bada/omop/person", "bada/release"} <= {
        key.to_user_string() for key in seen
    }


def test_no_two_checks_of_a_build_have_one_name(names: Counter[str]) -> None:
    assert len(names) > 1900
    assert [name for name, times in names.items() if times > 1] == []


def test_what_a_task_needs_is_checked_in_a_build(names: Counter[str]) -> None:
    """Of concept sets the names are made from the sets, and not known here."""
    needed = {check for task in TASKS for check in task.checks}
    assert {name for name in needed if not name.startswith("concept_sets.")} <= names.keys()


def test_what_a_hospital_of_the_demo_accepts_is_checked_in_a_build(names: Counter[str]) -> None:
    """A threshold that names no check ends the build."""
    network = load_network(project_root() / "network", resolve=False)
    accepted = {t.check for config in network.values() for t in config.thresholds}
    assert accepted
    assert accepted <= names.keys()


def test_the_workspace_names_the_four_hospitals_and_the_hub() -> None:
    workspace = yaml.safe_load((project_root() / "workspace.yaml").read_text())
    named = [each["python_module"]["attribute"] for each in workspace["load_from"]]
    hospitals = sorted(load_network(project_root() / "network", resolve=False))
    assert hospitals == ["bada", "deul", "haneul", "sup"]
    assert named == [*hospitals, "hub"]
    assert all(hasattr(locations, name) for name in hospitals)


def test_a_name_that_is_no_hospital_is_no_attribute() -> None:
    assert not hasattr(locations, "nowhere")


def test_a_site_of_another_network_loads(ward: Ward) -> None:
    dg.Definitions.validate_loadable(ward.definitions())
