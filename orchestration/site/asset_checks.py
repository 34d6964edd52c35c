"""The outcomes of a build where people look: one asset check per table and Kahn category.

Which checks there are is known before anything runs: from dbt's manifest, from what the suites of
Great Expectations say they hold, and from conservation. An outcome of a source table stands on the
staging views that read it. They block nothing: the gate speaks once, on the release.

An asset check speaks of the materialisation that was there when the candidate was checked. Of a
table that was made again since, nothing is known, and that is a failure.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import dagster as dg

from expectations import categories
from orchestration.site.comparison import compared_categories
from orchestration.site.project import Project
from orchestration.site.quality import Checked, load_checked, materialised_by
from orchestration.site.transform import table_keys
from pumasi.config import SiteConfig, SitePaths
from pumasi.errors import ReleaseError
from pumasi.quality import (
    OF_SOURCE_TABLES,
    Category,
    Outcome,
    Severity,
    Status,
    dbt_checks,
    is_of_source_table,
)


def checks(config: SiteConfig, paths: SitePaths, manifest: Path) -> list[dg.AssetChecksDefinition]:
    """One asset check per table that is checked and Kahn category, in one step."""
    places = Places(config.id, manifest)
    specs = [
        dg.AssetCheckSpec(
            name=category,
            asset=key,
            additional_deps=[dg.AssetKey([config.id, "candidate"])],
            description=f"Every {category} check of {key.path[-1]}",
        )
        for key, category in places.checked()
    ]

    @dg.multi_asset_check(name=f"{config.id}_checks", specs=specs, can_subset=True)
    def quality_checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        selected = [spec for spec in specs if spec.key in context.selected_asset_check_keys]
        try:
            checked = load_checked(paths)
        except ReleaseError as error:
            yield from (_not_checked(spec, str(error)) for spec in selected)
            return
        grouped = places.grouped(checked.outcomes)
        runs = materialised_by(context.instance, {spec.asset_key for spec in selected})
        for spec in selected:
            stale = _made_since(spec.asset_key, checked, runs)
            if stale is None:
                yield _result(spec, grouped[spec.asset_key, spec.name])
            else:
                yield _not_checked(spec, stale)

    return [quality_checks]


@dataclass(frozen=True)
class Places:
    """Which assets an outcome stands on: its table's, or the staging views that read its source."""

    site: str
    manifest: Path

    def checked(self) -> list[tuple[dg.AssetKey, Category]]:
        """Every asset and category of which there are checks, in order."""
        tables = {(check.table, check.category) for check in dbt_checks(self.manifest)}
        tables |= {(table, category) for table, found in categories().items() for category in found}
        tables |= compared_categories()
        found = {(key, category) for table, category in tables for key in self.of_table(table)}
        found |= {
            (key, category)
            for keys in self._readers.values()
            for key in keys
            for category in OF_SOURCE_TABLES
        }
        order = get_args(Category)
        return sorted(found, key=lambda pair: (pair[0], order.index(pair[1])))

    def of(self, outcome: Outcome) -> tuple[dg.AssetKey, ...]:
        """Assets that the outcome stands on; none if the project doesn't know its table."""
        if is_of_source_table(outcome):
            return self._readers.get(outcome.table, ())
        return self.of_table(outcome.table)

    def of_table(self, table: str) -> tuple[dg.AssetKey, ...]:
        """Asset of a model or seed."""
        key = self._tables.get(table)
        return () if key is None else (key,)

    def grouped(
        self, outcomes: Iterable[Outcome]
    ) -> Mapping[tuple[dg.AssetKey, str], list[Outcome]]:
        """Outcomes by asset and category."""
        grouped = defaultdict(list)
        for outcome in outcomes:
            for key in self.of(outcome):
                grouped[key, str(outcome.category)].append(outcome)
        return grouped

    @cached_property
    def _tables(self) -> Mapping[str, dg.AssetKey]:
        return {key.path[-1]: key for key in table_keys(self.site, self.manifest)}

    @cached_property
    def _readers(self) -> Mapping[str, tuple[dg.AssetKey, ...]]:
        """Staging views by the table of the hospital's format that they read."""
        readers = defaultdict(set)
        nodes = Project(self.manifest).nodes
        for node in nodes.values():
            if node["resource_type"] == "model" and node["fqn"][1] == "staging":
                for parent in map(nodes.get, node["depends_on"]["nodes"]):
                    if parent is not None and _is_extracted(parent):
                        readers[parent["name"]].add(self._tables[node["name"]])
        return {table: tuple(sorted(keys)) for table, keys in readers.items()}


def _is_extracted(node: Mapping[str, Any]) -> bool:
    """Whether the node is a table of the hospital's extract."""
    return node["resource_type"] == "source" and node["source_name"] != "vocabulary"


def _made_since(key: dg.AssetKey, checked: Checked, runs: Mapping[str, str]) -> str | None:
    """Say why the outcomes are not of the table as it is now; None if they are."""
    name = key.to_user_string()
    latest, seen = runs.get(name), checked.materialised.get(name)
    if latest == seen and latest is not None:
        return None
    made = "never by Dagster" if latest is None else f"by run {latest}"
    return (
        f"not checked since: the table was made {made}, and what is known is of another one, "
        f"checked by run {checked.run_id}. Materialise the candidate, or run the build"
    )


def _not_checked(spec: dg.AssetCheckSpec, reason: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=spec.asset_key,
        check_name=spec.name,
        passed=False,
        severity=dg.AssetCheckSeverity.ERROR,
        description=reason,
        metadata={"checks": 0},
    )


def _result(spec: dg.AssetCheckSpec, outcomes: Sequence[Outcome]) -> dg.AssetCheckResult:
    if not outcomes:
        return _not_checked(spec, "not checked: the build has no outcome of this kind")
    bad = [o for o in outcomes if o.status in (Status.FAILED, Status.ERROR)]
    worst = any(o.severity is Severity.ERROR or o.status is Status.ERROR for o in bad)
    idle = _count(outcomes, Status.NOT_APPLICABLE)
    nothing = "not applicable: nothing to check, as declared" if idle == len(outcomes) else None
    return dg.AssetCheckResult(
        asset_key=spec.asset_key,
        check_name=spec.name,
        passed=not bad,
        severity=dg.AssetCheckSeverity.ERROR if worst else dg.AssetCheckSeverity.WARN,
        description="; ".join(f"{o.name}: {o.message}" for o in bad) or nothing,
        metadata={
            "checks": len(outcomes),
            "failed": ", ".join(o.name for o in bad) or "none",
            "passed": _count(outcomes, Status.PASSED),
            "not applicable": idle,
        },
    )


def _count(outcomes: Collection[Outcome], status: Status) -> int:
    return sum(outcome.status is status for outcome in outcomes)
