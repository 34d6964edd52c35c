"""Writes what Dagster and dbt need to know: workspace.yaml, profiles.yml, dagster.yaml.

The first two are made from the network folder and never edited; a test says that they agree with
it. For the project's own network they are part of the repository, for another network
(PUMASI_NETWORK) they are written under PUMASI_HOME. dagster.yaml always belongs to PUMASI_HOME.
"""

from __future__ import annotations

import json
from pathlib import Path

from pumasi.atomic import write_text
from pumasi.config.hub import HubConfig
from pumasi.config.network import load_hub, load_network
from pumasi.config.paths import home_folder, network_folder, project_root
from pumasi.config.site import SiteConfig

_HEADER = "# Generated from the network folder by `pumasi site add` and `pumasi site sync`.\n"

_LOCATION = """\
  - python_module:
      module_name: orchestration.site.locations
      attribute: {id}
      location_name: {id}
"""

_HUB_LOCATION = """\
  - python_module:
      module_name: orchestration.hub.definitions
      attribute: hub
      location_name: hub
"""

_PROFILES = """\
# target.name is the site, target.schema its source format, target.external_root its folder.
pumasi:
  target: "{{{{ env_var('PUMASI_SITE', '{default}') }}}}"
  outputs:{outputs}"""

# How much memory DuckDB may take on a warehouse where PUMASI_MEMORY_LIMIT says nothing.
WAREHOUSE_MEMORY = "4GB"

# The retries wait out another process that holds the file: 30 attempts are about a minute.
_OUTPUT = """\
    {id}:
      type: duckdb
      path: "{{{{ env_var('PUMASI_HOME', '../var') }}}}/sites/{id}/warehouse.duckdb"
      external_root: "{{{{ env_var('PUMASI_HOME', '../var') }}}}/sites/{id}"
      schema: {format}
      threads: 2
      settings:
        memory_limit: "{{{{ env_var('PUMASI_MEMORY_LIMIT', '{memory}') }}}}"
        autoinstall_known_extensions: false
      retries:
        connect_attempts: 30
        retryable_exceptions: [IOException]
"""

# A hospital's warehouse has one writer: its pool lets one run in at a time. By run and not by step:
# a step that was killed (-9) would keep its place for ever, a run gives it back once it is reported
# as failed (orchestration/dead_runs.py). A run in a command's own process waits for no place.
_DAGSTER = """\
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  pools:
    default_limit: 1
    granularity: run
event_log_storage:
  module: orchestration.event_log
  class: OpenSqliteEventLogStorage
  config:
    base_dir: {events}
"""


def workspace_file() -> Path:
    """Return the workspace.yaml of the network in use."""
    return _generated_folder() / "workspace.yaml"


def profiles_folder() -> Path:
    """Return the folder where dbt finds the profiles.yml of the network in use."""
    if _is_own_network():
        return project_root() / "dbt_project"
    return home_folder() / "dbt"


def render_workspace(network: dict[str, SiteConfig], hub: HubConfig | None) -> str:
    """Return workspace.yaml: one code location per site, and one of the hub if there is one."""
    locations = [_LOCATION.format(id=site) for site in network] + ([_HUB_LOCATION] if hub else [])
    if not locations:
        return _HEADER + "load_from: []\n"
    return _HEADER + "load_from:\n" + "".join(locations)


def render_profiles(network: dict[str, SiteConfig]) -> str:
    """Return profiles.yml: one target per site; the default target is the only site, if it is."""
    default = next(iter(network)) if len(network) == 1 else "none_chosen"
    outputs = "".join(
        _OUTPUT.format(id=site.id, format=site.format, memory=WAREHOUSE_MEMORY)
        for site in network.values()
    )
    outputs = "\n" + outputs if outputs else " {}\n"
    return _HEADER + _PROFILES.format(default=default, outputs=outputs)


def write_workspace() -> list[Path]:
    """Write workspace.yaml and profiles.yml of the network in use and return their paths."""
    network = load_network(resolve=False)
    contents = {
        workspace_file(): render_workspace(network, load_hub()),
        profiles_folder() / "profiles.yml": render_profiles(network),
    }
    for path, content in contents.items():
        write_text(path, content)
    return list(contents)


def write_dagster_home() -> Path:
    """Make the folder that DAGSTER_HOME is to name, with its dagster.yaml, and return it."""
    folder = home_folder() / "dagster"
    file = folder / "dagster.yaml"
    text = _DAGSTER.format(events=json.dumps(str(folder / "history" / "runs")))
    # Written whole, and left alone where it says this: Dagster's programs read it at any time.
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        write_text(file, text)
    return folder


def _generated_folder() -> Path:
    return project_root() if _is_own_network() else home_folder()


def _is_own_network() -> bool:
    return network_folder() == project_root() / "network"
