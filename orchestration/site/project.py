"""dbt's manifest, read once for all who ask what the project is made of."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from pumasi.incremental import Node

PERSON = ("person_id",)
Properties = Mapping[str, Any]


def is_released(node: Properties) -> bool:
    """Whether the model is a table of omop, vocabulary apart, or a mart and none of its steps."""
    folders = set(node["fqn"])
    return bool(folders & {"omop", "marts"}) and not folders & {"vocabulary", "intermediate"}


def _parents(node: Properties) -> Sequence[str]:
    found: Sequence[str] = node.get("depends_on", {}).get("nodes", [])
    return found


@dataclass(frozen=True)
class Project:
    """The project as dbt parsed it for a site."""

    manifest: Path

    @cached_property
    def nodes(self) -> Mapping[str, Properties]:
        """Every node and source by its unique id."""
        said = json.loads(self.manifest.read_text())
        return {**said["nodes"], **said["sources"]}

    @cached_property
    def models(self) -> Mapping[str, Properties]:
        """Every model and seed by its unique id."""
        return {k: n for k, n in self.nodes.items() if n["resource_type"] in ("model", "seed")}

    @cached_property
    def steps(self) -> frozenset[str]:
        """Models and seeds on the way to the released tables."""
        return frozenset(node["name"] for node in self.models.values() if not is_released(node))

    @cached_property
    def counted_as(self) -> Mapping[str, str]:
        """Of models that say so, the relation that has as many rows."""
        said = {
            node["name"]: (node["config"].get("meta") or {}).get("counted_as")
            for node in self.models.values()
        }
        return {name: other for name, other in said.items() if other}

    @cached_property
    def released(self) -> tuple[Properties, ...]:
        """Models whose tables are released."""
        return tuple(
            node
            for node in self.models.values()
            if node["resource_type"] == "model" and is_released(node)
        )

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Names of models and seeds, each after what it reads."""
        above = {
            unique_id: [each for each in _parents(node) if each in self.models]
            for unique_id, node in self.models.items()
        }
        return tuple(self.models[each]["name"] for each in TopologicalSorter(above).static_order())

    def graph(self, columns: Mapping[str, frozenset[str]]) -> list[Node]:
        """Models and seeds for incremental building; `columns` of every table, by its name."""
        return [
            self._node(node, columns.get(node["name"], frozenset()))
            for node in self.models.values()
        ]

    def _node(self, node: Properties, columns: frozenset[str]) -> Node:
        meta = node["config"].get("meta") or {}
        parents = [self.nodes[each] for each in _parents(node)]
        is_view = node["config"]["materialized"] == "view"
        by_person = PERSON if "person_id" in columns else ()
        return Node(
            name=node["name"],
            schema=node["schema"],
            is_view=is_view,
            parents=frozenset(p["name"] for p in parents if p["resource_type"] != "source"),
            sources=frozenset(p["source_name"] for p in parents if p["resource_type"] == "source"),
            replaced_by=() if is_view else tuple(meta.get("replaced_by", by_person)),
            moves_everybody=bool(meta.get("moves_everybody")),
        )
