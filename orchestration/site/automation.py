"""When things run by themselves: a sensor on the source folder, a build after it, every night.

Sensors and schedules are off until somebody turns them on in the UI.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from pumasi.config import SiteConfig
from pumasi.errors import PumasiError
from pumasi.extract import discover

POLL_SECONDS = 60
NIGHTLY = "0 2 * * *"


def ingest_name(config: SiteConfig) -> str:
    """Name of the job that takes one delivery in."""
    return f"{config.id}_ingest"


def build_name(config: SiteConfig) -> str:
    """Name of the job that makes a release of all deliveries, and its models."""
    return f"{config.id}_build"


@dataclass(frozen=True)
class Automation:
    """Jobs, schedules and sensors of a site. Dagster has no public name for an unresolved job."""

    jobs: Sequence[Any]
    schedules: Sequence[dg.ScheduleDefinition]
    sensors: Sequence[dg.SensorDefinition]


def automation(config: SiteConfig, partitions: dg.DynamicPartitionsDefinition) -> Automation:
    """Jobs `<site>_ingest` (one delivery) and `<site>_build` (transform to training), and when."""
    ingested = dg.AssetSelection.assets([config.id, "delivery"], [config.id, "raw"])
    ingest = dg.define_asset_job(
        ingest_name(config),
        selection=ingested,
        description="One delivery: pull, read, pseudonymise.",
    )
    build = dg.define_asset_job(
        build_name(config),
        selection=dg.AssetSelection.all() - ingested,
        description="Every delivery read so far: transform, check, seal, train.",
    )
    nightly = dg.ScheduleDefinition(name=f"{config.id}_nightly", job=build, cron_schedule=NIGHTLY)
    return Automation(
        jobs=[ingest, build],
        schedules=[nightly],
        sensors=[
            _new_delivery(config, partitions, ingest),
            _build_after_ingest(config, ingest, build),
        ],
    )


def _new_delivery(
    config: SiteConfig, partitions: dg.DynamicPartitionsDefinition, ingest: Any
) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"{config.id}_new_delivery",
        job=ingest,
        minimum_interval_seconds=POLL_SECONDS,
        description="Looks into the source folder for deliveries that are not partitions yet.",
    )
    def new_delivery(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        try:
            found = [folder.key for folder in discover(config)]
        except PumasiError as error:
            return dg.SkipReason(str(error))
        known = set(context.instance.get_dynamic_partitions(partitions.name or ""))
        new = [key for key in found if key not in known]
        if not new:
            return dg.SkipReason(f"{len(found)} deliveries at the source, all known")
        return dg.SensorResult(
            run_requests=[dg.RunRequest(run_key=key, partition_key=key) for key in new],
            dynamic_partitions_requests=[partitions.build_add_request(new)],
        )

    return new_delivery


def _build_after_ingest(config: SiteConfig, ingest: Any, build: Any) -> dg.SensorDefinition:
    @dg.run_status_sensor(
        name=f"{config.id}_build_after_ingest",
        run_status=dg.DagsterRunStatus.SUCCESS,
        monitored_jobs=[ingest],
        request_job=build,
        description="Builds a release when a delivery has been read.",
    )
    def build_after_ingest(context: dg.RunStatusSensorContext) -> Iterator[dg.RunRequest]:
        yield dg.RunRequest(run_key=context.dagster_run.run_id)

    return build_after_ingest
