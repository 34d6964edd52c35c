"""Everything that a hospital's code location offers, put together in one function."""

import dagster as dg

from orchestration.site import (
    asset_checks,
    extract,
    network_models,
    quality,
    release,
    training,
    transform,
)
from orchestration.site.automation import automation
from pumasi.config import SiteConfig, SitePaths

OWNERS = ["team:hospital-data"]


def build_definitions(config: SiteConfig) -> dg.Definitions:
    """Assets, checks, jobs, sensors and schedules of one hospital."""
    paths = SitePaths.of(config.id)
    project = transform.dbt_project(config, paths)
    partitions = extract.partitions(config)
    assets = [
        *extract.assets(config, paths, partitions),
        *transform.assets(config, paths, project),
        *quality.assets(config, paths, project),
        *release.assets(config, paths),
        *training.assets(config, paths),
        *network_models.assets(config, paths),
    ]
    automated = automation(config, partitions)
    return dg.Definitions(
        assets=dg.map_asset_specs(lambda spec: spec.replace_attributes(owners=OWNERS), assets),
        asset_checks=asset_checks.checks(config, paths, project),
        jobs=automated.jobs,
        schedules=automated.schedules,
        sensors=automated.sensors,
        resources={"dbt": transform.dbt_resource(config)},
        # One process: DuckDB lets a single one write, and a step costs no start of its own.
        executor=dg.in_process_executor,
    )
