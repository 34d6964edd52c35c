"""The checks of a build: dbt tests as data, Great Expectations on the candidate, conservation.

`candidate` runs them all and keeps the outcomes; the asset checks, one per table and Kahn category,
show them where people look. They block nothing: the gate speaks once, on the release.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import dagster as dg
from dagster_dbt import DbtCliResource

import expectations
from orchestration.site.builds import closed_when_broken, transformation_of
from orchestration.site.extract import pool
from orchestration.site.transform import row_counts
from pumasi.atomic import write_text
from pumasi.config import SiteConfig, SitePaths
from pumasi.errors import ReleaseError
from pumasi.quality import (
    Category,
    Outcome,
    Severity,
    Status,
    apply_thresholds,
    conservation_outcomes,
    dbt_outcomes,
)
from pumasi.release import write_candidate
from pumasi.warehouse import hold_warehouse

TEST = ("test", "--exclude-resource-type", "unit_test")
OUTCOMES = "outcomes.json"


def assets(config: SiteConfig, paths: SitePaths, manifest: Path) -> list[dg.AssetsDefinition]:
    """Asset `candidate`."""

    @dg.asset(
        key=[config.id, "candidate"],
        group_name="quality",
        deps=_tables(config, manifest),
        kinds={"parquet", "greatexpectations", "dbt"},
        pool=pool(config),
    )
    def candidate(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> dg.MaterializeResult:
        """Tables of the build as parquet, and the outcome of every check run on them."""
        with closed_when_broken(paths, "candidate", context.run.run_id):
            outcomes = _check(config, paths, dbt, context)
        return dg.MaterializeResult(metadata=_summary(outcomes))

    return [candidate]


def checks(config: SiteConfig, paths: SitePaths, manifest: Path) -> list[dg.AssetChecksDefinition]:
    """One asset check per table of omop and marts and Kahn category."""
    specs = [
        dg.AssetCheckSpec(
            name=category,
            asset=key,
            additional_deps=[dg.AssetKey([config.id, "candidate"])],
            description=f"Every {category} check of {key.path[-1]}",
        )
        for key in _tables(config, manifest)
        for category in get_args(Category)
    ]

    @dg.multi_asset_check(name=f"{config.id}_checks", specs=specs, can_subset=True)
    def quality_checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        grouped = defaultdict(list)
        for outcome in load_checked(paths).outcomes:
            grouped[outcome.table, str(outcome.category)].append(outcome)
        for spec in specs:
            if spec.key in context.selected_asset_check_keys:
                yield _result(spec, grouped[spec.asset_key.path[-1], spec.name])

    return [quality_checks]


@dataclass(frozen=True)
class Checked:
    """The candidate that lies there now: the run and the SQL that made it, and its outcomes."""

    run_id: str
    transformation: str
    outcomes: list[Outcome]


def load_checked(paths: SitePaths) -> Checked:
    """What the checks left beside the candidate; ReleaseError if it was not checked."""
    try:
        said = json.loads((paths.candidate / OUTCOMES).read_text())
    except FileNotFoundError:
        raise ReleaseError(
            f"site {paths.root.name}: the candidate was not checked; run the build again, from its "
            "candidate step"
        ) from None
    outcomes = [Outcome.from_dict(each) for each in said["outcomes"]]
    return Checked(said["run_id"], said["transformation"], outcomes)


def _check(
    config: SiteConfig, paths: SitePaths, dbt: DbtCliResource, context: dg.AssetExecutionContext
) -> list[Outcome]:
    run_id, target = context.run.run_id, paths.dbt_target / "test"
    context.log.info("dbt tests")
    # dbt that dies before its tests must not leave yesterday's results to be read.
    (target / "run_results.json").unlink(missing_ok=True)
    dbt.cli([*TEST], raise_on_error=False, target_path=target).wait()
    context.log.info("writing the candidate")
    with hold_warehouse(paths, progress=context.log.info) as connection:
        # Whoever changed the warehouse while dbt tested it is noticed here.
        transformation = transformation_of(paths, connection)
        candidate = write_candidate(connection, paths, run_id=run_id)
    context.log.info("Great Expectations and conservation")
    found = [
        *dbt_outcomes(
            target / "run_results.json",
            target / "manifest.json",
            row_counts(paths),
            expectations.MAY_BE_EMPTY | _steps(target / "manifest.json"),
        ),
        *conservation_outcomes(candidate.folder),
        *expectations.run(candidate.folder),
    ]
    outcomes = apply_thresholds(found, config.thresholds)
    said = {
        "run_id": run_id,
        "transformation": transformation,
        "outcomes": [outcome.to_dict() for outcome in outcomes],
    }
    write_text(candidate.folder / OUTCOMES, json.dumps(said, indent=1) + "\n")
    return outcomes


def _steps(manifest: Path) -> frozenset[str]:
    """Models on the way to the released tables: a step may be empty, what is released is asked."""
    nodes: Mapping[str, Mapping[str, Any]] = json.loads(manifest.read_text())["nodes"]
    return frozenset(
        node["name"]
        for node in nodes.values()
        if node["resource_type"] in ("model", "seed") and not _is_released(node)
    )


def _is_released(node: Mapping[str, Any]) -> bool:
    """Whether the model is a table of omop, vocabulary apart, or a mart and none of its steps."""
    folders = set(node["fqn"])
    return bool(folders & {"omop", "marts"}) and not folders & {"vocabulary", "intermediate"}


def _tables(config: SiteConfig, manifest: Path) -> list[dg.AssetKey]:
    """Asset keys of the tables that are checked: models of omop (no vocabulary) and marts."""
    nodes: Mapping[str, Mapping[str, Any]] = json.loads(manifest.read_text())["nodes"]
    return sorted(
        dg.AssetKey([config.id, node["fqn"][1], node["name"]])
        for node in nodes.values()
        if node["resource_type"] == "model" and _is_released(node)
    )


def _result(spec: dg.AssetCheckSpec, outcomes: Sequence[Outcome]) -> dg.AssetCheckResult:
    bad = [o for o in outcomes if o.status in (Status.FAILED, Status.ERROR)]
    worst = any(o.severity is Severity.ERROR or o.status is Status.ERROR for o in bad)
    return dg.AssetCheckResult(
        asset_key=spec.asset_key,
        check_name=spec.name,
        passed=not bad,
        severity=dg.AssetCheckSeverity.ERROR if worst else dg.AssetCheckSeverity.WARN,
        description="; ".join(f"{o.name}: {o.message}" for o in bad) or None,
        metadata={
            "checks": len(outcomes),
            "failed": ", ".join(o.name for o in bad) or "none",
            "not applicable": sum(o.status is Status.NOT_APPLICABLE for o in outcomes),
        },
    )


def _summary(outcomes: Sequence[Outcome]) -> dict[str, int]:
    return {
        status.value.replace("_", " "): sum(o.status is status for o in outcomes)
        for status in Status
    } | {"checks": len(outcomes)}
