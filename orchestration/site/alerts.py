"""The sensor that tells a closed gate to the hospital's webhook, where one is configured.

It looks at seals and not at runs: a build that was started by hand, or in another Dagster, is told
too. How far it came is its cursor, which Dagster keeps; nothing runs and nothing is lost when the
webhook is dead.
"""

from datetime import UTC, datetime

import dagster as dg

from pumasi.alerts import Progress, Told, tell
from pumasi.config import SiteConfig, SitePaths
from pumasi.learn.tasks import TASKS

POLL_SECONDS = 60


def sensors(config: SiteConfig, paths: SitePaths) -> list[dg.SensorDefinition]:
    """Sensor `<site>_alerts`; none for a site without a section [alerts]."""
    return [] if config.alerts is None else [_alerts(config, paths)]


def _alerts(config: SiteConfig, paths: SitePaths) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"{config.id}_alerts",
        minimum_interval_seconds=POLL_SECONDS,
        # Whoever names a webhook wants to be told: no second switch to forget.
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells the webhook of every release that was sealed closed, also for a task.",
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        before = Progress.from_text(context.cursor) if context.cursor else None
        purposes = [task.purpose for task in TASKS]
        told = tell(config, paths, purposes, before, datetime.now(UTC))
        if told.failed:
            context.log.warning(told.said)
        return dg.SensorResult(
            skip_reason=told.said,
            cursor=told.progress.to_text(),
            asset_events=[_observation(config, told)] if told.attempted else [],
        )

    return alerts


def _observation(config: SiteConfig, told: Told) -> dg.AssetObservation:
    """What came of an attempt, on the asset of the release."""
    state = "failed" if told.failed else "delivered"
    return dg.AssetObservation(
        asset_key=[config.id, "release"],
        description=told.said,
        metadata={"alert": state, "failed attempts": told.progress.failures},
    )
