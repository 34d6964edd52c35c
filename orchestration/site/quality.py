"""The checks of a build: dbt tests as data, Great Expectations, conservation, series, drift.

`candidate` runs them all and keeps the outcomes; `orchestration.site.asset_checks` shows them.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

import expectations
from orchestration.site.builds import closed_when_broken, transformation_of
from orchestration.site.comparison import compare
from orchestration.site.dbt_command import run_dbt_tests
from orchestration.site.extract import pool
from orchestration.site.project import Project
from orchestration.site.transform import table_keys
from pumasi.atomic import write_text
from pumasi.config import SiteConfig, SitePaths, home_folder
from pumasi.errors import ReleaseError
from pumasi.quality import (
    Outcome,
    Status,
    apply_thresholds,
    concepts_of,
    conservation_outcomes,
    dbt_outcomes,
    verification_outcomes,
)
from pumasi.quality.catalogue import declared_empty, write_keys
from pumasi.release import write_candidate
from pumasi.warehouse import hold_warehouse, row_counts

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
    def candidate(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        """Tables of the build as parquet, and the outcome of every check run on them."""
        with closed_when_broken(paths, "candidate", context.run.run_id):
            outcomes, rows = _check(config, paths, context)
        return dg.MaterializeResult(metadata=_summary(outcomes) | {"dagster/row_count": rows})

    return [candidate]


@dataclass(frozen=True)
class Checked:
    """The candidate that lies there now: the run and the SQL that made it, and its outcomes.

    `materialised` names the run that had made each asset, by its key, when it was checked.
    """

    run_id: str
    transformation: str
    outcomes: list[Outcome]
    materialised: dict[str, str]


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
    return Checked(said["run_id"], said["transformation"], outcomes, said.get("materialised", {}))


def materialised_by(instance: dg.DagsterInstance, keys: Iterable[dg.AssetKey]) -> dict[str, str]:
    """Run of the latest materialisation of each asset that has one, by the asset's key."""
    records = instance.get_asset_records(list(keys))
    return {
        record.asset_entry.asset_key.to_user_string(): latest.run_id
        for record in records
        if (latest := record.asset_entry.last_materialization_record) is not None
    }


def _check(
    config: SiteConfig, paths: SitePaths, context: dg.AssetExecutionContext
) -> tuple[list[Outcome], int]:
    """Every outcome of the build, and the rows of the tables that may be released."""
    run_id, target = context.run.run_id, paths.dbt_target / "test"
    project = Project(paths.dbt_target / "manifest.json")
    keys = table_keys(config.id, project.manifest)
    # Before the first test: what is made from here on was not wholly checked.
    materialised = materialised_by(context.instance, keys)
    context.log.info("dbt tests")
    run_dbt_tests(config, home_folder(), target)
    context.log.info("writing the candidate")
    with hold_warehouse(paths, progress=context.log.info) as connection:
        # Whoever changed the warehouse while dbt tested it is noticed here.
        transformation = transformation_of(paths, connection)
        candidate = write_candidate(connection, paths, run_id=run_id)
        counts = row_counts(connection, project.counted_as)
        verified = verification_outcomes(*concepts_of(connection), real=config.real)
    context.log.info("Great Expectations, conservation, series and drift")
    found = [
        *dbt_outcomes(
            target / "run_results.json",
            target / "manifest.json",
            counts,
            expectations.MAY_BE_EMPTY | project.steps,
        ),
        *conservation_outcomes(candidate.folder),
        *expectations.run(
            candidate.folder,
            paths.vocabulary,
            declared_empty(config.format, config.not_recorded),
        ),
        *compare(paths, candidate, datetime.now(UTC).date()),
    ]
    outcomes = [*apply_thresholds(found, config.thresholds), *verified]
    write_keys(
        expectations.offenders(candidate.folder, paths.vocabulary, outcomes), paths.offenders
    )
    said = {
        "run_id": run_id,
        "transformation": transformation,
        "materialised": materialised,
        "outcomes": [outcome.to_dict() for outcome in outcomes],
    }
    write_text(candidate.folder / OUTCOMES, json.dumps(said, indent=1) + "\n")
    return outcomes, sum(counts[table] for table in candidate.tables)


def _tables(config: SiteConfig, manifest: Path) -> list[dg.AssetKey]:
    """Asset keys of the tables that are checked: models of omop (no vocabulary) and marts."""
    return sorted(
        dg.AssetKey([config.id, node["fqn"][1], node["name"]])
        for node in Project(manifest).released
    )


def _summary(outcomes: Sequence[Outcome]) -> dict[str, int]:
    return {
        status.value.replace("_", " "): sum(o.status is status for o in outcomes)
        for status in Status
    } | {"checks": len(outcomes)}
