"""The hub's code location: what the coordinator knows without asking anybody.

It reads the network folder and the library, and nothing of a hospital's: no release, no warehouse,
no key. What it learns by asking comes through the border (`orchestration.hub.models`).
"""

import json
from dataclasses import asdict
from typing import Any

import dagster as dg

from orchestration.hub import models
from pumasi.atomic import write_text
from pumasi.config import hub_folder, load_hub, load_network
from pumasi.errors import ConfigError
from pumasi.learn.tasks import TASKS

OWNERS = ["team:network-hub"]
PUBLISH = "hub_publish"
Row = dict[str, Any]


def hub() -> dg.Definitions:
    """Assets and the job of the hub; raises `ConfigError` where the network folder has none."""
    config = load_hub()
    if config is None:
        raise ConfigError("this network has no hub: write hub.toml in the network folder")
    assets, learned = [hospitals, tasks], models.assets()
    return dg.Definitions(
        assets=[*assets, *learned],
        jobs=[
            dg.define_asset_job(
                models.LEARN,
                selection=dg.AssetSelection.assets(*learned),
                description=f"Learns over the hospitals of {config.name}, which must be up.",
            ),
            dg.define_asset_job(
                PUBLISH,
                selection=dg.AssetSelection.assets(*assets),
                description=f"Writes down who is in {config.name} and what all learn alike.",
            ),
        ],
        executor=dg.in_process_executor,
    )


@dg.asset(
    key=["hub", "hospitals"],
    group_name="network",
    owners=OWNERS,
    kinds={"json"},
    description="The hospitals of the network, as their configuration names them.",
)
def hospitals() -> dg.MaterializeResult:
    """The hospitals of the network folder."""
    sites = load_network(resolve=False).values()
    return _published(
        "hospitals",
        [
            {
                "id": site.id,
                "name": site.name,
                "format": site.format,
                "real": site.real,
                "description": site.description,
            }
            for site in sites
        ],
    )


@dg.asset(
    key=["hub", "tasks"],
    group_name="network",
    owners=OWNERS,
    kinds={"json"},
    description="The learning problems that every hospital answers alike, each behind its gate.",
)
def tasks() -> dg.MaterializeResult:
    """The tasks of the library."""
    return _published("tasks", [asdict(task) for task in TASKS])


def _published(name: str, rows: list[Row]) -> dg.MaterializeResult:
    """Write the rows as JSON below the hub's folder, and show them in the UI."""
    write_text(hub_folder() / f"{name}.json", json.dumps(rows, indent=1) + "\n")
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(rows),
            "file": f"{name}.json",
            "table": dg.MetadataValue.md(_markdown(rows)),
        }
    )


def _markdown(rows: list[Row]) -> str:
    if not rows:
        return "none"
    columns = list(rows[0])
    lines = [columns, ["---"] * len(columns), *([_cell(row[c]) for c in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return shown.replace("|", "/")
