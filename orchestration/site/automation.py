"""When things run by themselves: a sensor on the source folder, a build after it, every night.

Sensors and schedules are off until somebody turns them on in the UI, but for alerts and for the
report of dead runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import dagster as dg

from orchestration.dead_runs import NOT_FINISHED, report_dead_runs
from orchestration.site import alerts
from pumasi.config import SiteConfig, SitePaths
from pumasi.errors import PumasiError
from pumasi.extract import discover

POLL_SECONDS = 60
NIGHTLY = "0 2 * * *"
# Before the build; what was fetched is found by the sensor and read until then.
FETCH = "0 0 * * *"
# A delivery that is refused is refused again; what the disk or the network did may be over.
ATTEMPTS = 3
DEAD_AFTER = timedelta(days=1)
PARTITION = "dagster/partition"


def ingest_name(config: SiteConfig) -> str:
    """Name of the job that takes one delivery in."""
    return f"{config.id}_ingest"


def build_name(config: SiteConfig) -> str:
    """Name of the job that makes a release of all deliveries, and its models."""
    return f"{config.id}_build"


def fetch_name(config: SiteConfig) -> str:
    """Name of the job that asks a database or server for a delivery."""
    return f"{config.id}_fetch"


def job_names(config: SiteConfig) -> tuple[str, ...]:
    """Names of all jobs of a hospital, also of one that its configuration does without."""
    return ingest_name(config), build_name(config), fetch_name(config)


@dataclass(frozen=True)
class Automation:
    """Jobs, schedules and sensors of a site. Dagster has no public name for an unresolved job."""

    jobs: Sequence[Any]
    schedules: Sequence[dg.ScheduleDefinition]
    sensors: Sequence[dg.SensorDefinition]


def automation(config: SiteConfig, partitions: dg.DynamicPartitionsDefinition) -> Automation:
    """Jobs `<site>_ingest` (one delivery) and `<site>_build` (transform to training), and when.

    With a connector there is `<site>_fetch` too, every night: the sensor only looks at what landed,
    because it looks every minute.
    """
    connected = config.source.connector != "folder"
    ingested = dg.AssetSelection.assets([config.id, "delivery"], [config.id, "raw"])
    ingest = dg.define_asset_job(
        ingest_name(config),
        selection=ingested,
        description="One delivery: pull, read, pseudonymise.",
    )
    landing = dg.AssetSelection.assets([config.id, "landing"])
    build = dg.define_asset_job(
        build_name(config),
        selection=dg.AssetSelection.all() - (ingested | landing if connected else ingested),
        description="Every delivery read so far: transform, check, seal, train.",
    )
    fetch = dg.define_asset_job(
        fetch_name(config),
        selection=landing,
        description="Asks the database or server for what is new, and lands it as a delivery.",
    )
    nightly = dg.ScheduleDefinition(name=f"{config.id}_nightly", job=build, cron_schedule=NIGHTLY)
    fetch_nightly = dg.ScheduleDefinition(
        name=f"{config.id}_fetch_nightly", job=fetch, cron_schedule=FETCH
    )
    return Automation(
        jobs=[ingest, build, *([fetch] if connected else [])],
        schedules=[nightly, *([fetch_nightly] if connected else [])],
        sensors=[
            _new_delivery(config, partitions, ingest),
            _build_after_ingest(config, build),
            _dead_runs(config),
            *alerts.sensors(config, SitePaths.of(config.id)),
        ],
    )


def _new_delivery(
    config: SiteConfig, partitions: dg.DynamicPartitionsDefinition, ingest: Any
) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"{config.id}_new_delivery",
        job=ingest,
        minimum_interval_seconds=POLL_SECONDS,
        description="Looks into the source folder for deliveries that have not been read.",
    )
    def new_delivery(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        try:
            found = [folder.key for folder in discover(config)]
        except PumasiError as error:
            return dg.SkipReason(str(error))
        ingests = Ingests(config, context.instance, datetime.now(UTC))
        read = ingests.read()
        failed = {key: ingests.failures(key) for key in found if key not in read}
        given_up = [key for key, times in failed.items() if times >= ATTEMPTS]
        for key in given_up:
            context.log.warning(_given_up(config, key))
        running = set(ingests.running())
        asked = [key for key in failed if key not in given_up and key not in running]
        if not asked:
            said = f"{len(found)} deliveries at the source, {len(read & set(found))} read"
            waiting = f"{len(running & set(failed))} being read"
            return dg.SkipReason(
                "; ".join([said, waiting, *(_given_up(config, key) for key in given_up)])
            )
        known = set(context.instance.get_dynamic_partitions(partitions.name or ""))
        new = [key for key in asked if key not in known]
        return dg.SensorResult(
            run_requests=[
                # Another key for each attempt: Dagster starts no run of a key that it has seen.
                dg.RunRequest(run_key=f"{key}/{failed[key] + 1}", partition_key=key)
                for key in asked
            ],
            dynamic_partitions_requests=[partitions.build_add_request(new)] if new else [],
        )

    return new_delivery


def _given_up(config: SiteConfig, key: str) -> str:
    return (
        f"delivery {key} could not be read in {ATTEMPTS} attempts and is not asked for again: see "
        f"its runs, mend the delivery, then run {ingest_name(config)} for it by hand"
    )


def _build_after_ingest(config: SiteConfig, build: Any) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"{config.id}_build_after_ingest",
        job=build,
        minimum_interval_seconds=POLL_SECONDS,
        description="Builds a release when deliveries have been read, one for all of them.",
    )
    def build_after_ingest(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        ingests = Ingests(config, context.instance, datetime.now(UTC))
        read = ingests.read()
        if not read:
            return dg.SkipReason("no delivery has been read")
        waiting = len(ingests.running())
        if waiting:
            return dg.SkipReason(f"{waiting} runs are still reading deliveries")
        # The deliveries are the key: Dagster starts one build of the same set and no second.
        return dg.RunRequest(run_key=sha256("\n".join(sorted(read)).encode()).hexdigest())

    return build_after_ingest


def _dead_runs(config: SiteConfig) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"{config.id}_dead_runs",
        minimum_interval_seconds=POLL_SECONDS,
        # Whatever queues a run waits for a dead one: schedules, sensors, somebody in the UI.
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Reports runs of the command line that were killed, so that none waits for "
        "them.",
    )
    def dead_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        reported = report_dead_runs(context.instance, job_names(config))
        return dg.SkipReason(
            f"runs whose process is gone, reported as failed: {', '.join(reported) or 'none'}"
        )

    return dead_runs


@dataclass(frozen=True)
class Ingests:
    """What Dagster knows of the reading of a site's deliveries, by the job or by hand.

    A run that Dagster itself started stays "started" for good if its process is killed: after a day
    it is taken for dead, neither waited for nor in the way of another attempt. Those of the command
    line are reported as failed (`orchestration.dead_runs`).
    """

    config: SiteConfig
    instance: dg.DagsterInstance
    now: datetime

    def read(self) -> set[str]:
        """Deliveries that were read, as partitions."""
        return self.instance.get_materialized_partitions(dg.AssetKey([self.config.id, "raw"]))

    def failures(self, key: str) -> int:
        """How often reading the delivery was tried and failed, was ended, or died."""
        runs = self.instance.get_run_records(dg.RunsFilter(tags={PARTITION: key}))
        return sum(self._is_ingest(each) and self._is_lost(each) for each in runs)

    def running(self) -> list[str]:
        """The delivery, as a partition, of each run that is reading one or waits for it."""
        runs = self.instance.get_run_records(
            dg.RunsFilter(statuses=NOT_FINISHED, created_after=self.now - DEAD_AFTER)
        )
        return [e.dagster_run.tags.get(PARTITION, "") for e in runs if self._is_ingest(e)]

    def _is_ingest(self, record: dg.RunRecord) -> bool:
        run = record.dagster_run
        return run.job_name == ingest_name(self.config) or bool(
            (run.asset_selection or frozenset()) & self._assets
        )

    def _is_lost(self, record: dg.RunRecord) -> bool:
        status = record.dagster_run.status
        failed = status in (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
        dead = status in NOT_FINISHED and record.create_timestamp <= self.now - DEAD_AFTER
        return failed or dead

    @property
    def _assets(self) -> frozenset[dg.AssetKey]:
        return frozenset(dg.AssetKey([self.config.id, name]) for name in ("delivery", "raw"))
