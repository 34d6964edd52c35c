"""One step of a site's build in a process of its own: `python -m benchmarks.step STEP FILE`.

PUMASI_SITE names the site, DAGSTER_HOME the folder that `pumasi site sync` wrote. Writes to FILE
the seconds of work in the step: those of the Dagster run, without the start of Python and the
loading of definitions; of the dbt models the time from the start of the first to the end of the
last, without the start of dbt.
"""

import json
import logging
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import dagster as dg

from orchestration.site import increment
from orchestration.site.dbt_command import run_dbt
from orchestration.site.definitions import build_definitions
from orchestration.site.extract import partitions
from orchestration.site.transform import LAYERS
from pumasi.config import SiteConfig, SitePaths, get_site
from pumasi.errors import PumasiError
from pumasi.extract import discover


class StepFailedError(PumasiError):
    """A step of the site's build failed; the message is Dagster's."""


def pull(config: SiteConfig) -> float:
    """Pull, read and pseudonymise the site's deliveries, and its vocabulary."""
    with dg.DagsterInstance.get() as instance:
        read = instance.get_materialized_partitions(dg.AssetKey([config.id, "raw"]))
        keys = [folder.key for folder in discover(config) if folder.key not in read]
        instance.add_dynamic_partitions(partitions(config).name or "", keys)
    ingest = dg.AssetSelection.assets([config.id, "delivery"], [config.id, "raw"])
    vocabulary = dg.AssetSelection.assets([config.id, "vocabulary"])
    return sum(_run(config, ingest, key) for key in keys) + _run(config, vocabulary)


def prepare(config: SiteConfig) -> float:
    """Let dbt parse the project, which is done again only when the project changes."""
    started = time.monotonic()
    build_definitions(config)
    return time.monotonic() - started


def dbt(config: SiteConfig) -> float:
    """Seeds and models; of an incremental build all of the run but the starts of dbt in it."""
    starts = []

    def timed(site: SiteConfig, home: Path, target: Path, arguments: Sequence[str]) -> None:
        started = time.monotonic()
        run_dbt(site, home, target, arguments)
        starts.append(time.monotonic() - started - _models_seconds(target))

    increment.run_dbt = timed  # type: ignore[assignment,attr-defined]
    seconds = _run(config, dg.AssetSelection.groups("seeds", *LAYERS).without_checks())
    if starts:
        return seconds - sum(starts)
    return _models_seconds(SitePaths.of(config.id).dbt_target / "run")


def _models_seconds(target: Path) -> float:
    """From the start of the first model to the end of the last."""
    results = target / "run_results.json"
    timed = [
        datetime.fromisoformat(part[when])
        for result in json.loads(results.read_text())["results"]
        for part in result["timing"]
        for when in ("started_at", "completed_at")
    ]
    return (max(timed) - min(timed)).total_seconds()


def checks(config: SiteConfig) -> float:
    """Dbt tests, candidate, Great Expectations, conservation."""
    return _run(config, dg.AssetSelection.assets([config.id, "candidate"]))


def sealing(config: SiteConfig) -> float:
    """The candidate and its outcomes become a release, open or closed."""
    return _run(config, dg.AssetSelection.assets([config.id, "release"]))


STEPS: dict[str, Callable[[SiteConfig], float]] = {
    step.__name__: step for step in (prepare, pull, dbt, checks, sealing)
}


def _run(config: SiteConfig, selection: dg.AssetSelection, delivery: str | None = None) -> float:
    """Materialise assets of the site in this process; the seconds of the run."""
    logging.getLogger("dagster").setLevel(logging.ERROR)
    job = dg.define_asset_job("step", selection)
    definitions = dg.Definitions.merge(build_definitions(config), dg.Definitions(jobs=[job]))
    resolved = definitions.resolve_job_def("step")
    with dg.DagsterInstance.get() as instance:
        started = time.monotonic()
        result = resolved.execute_in_process(
            instance=instance, partition_key=delivery, raise_on_error=False
        )
        seconds = time.monotonic() - started
    for event in result.all_events:
        error = event.step_failure_data.error if event.is_step_failure else None
        # A gate that closes fails its step, after the release was sealed: no failure of ours.
        if error and error.cls_name != "DagsterAssetCheckFailedError":
            raise StepFailedError(error.to_string())
    return seconds


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in STEPS:
        sys.exit(f"usage: python -m benchmarks.step {'|'.join(STEPS)} FILE")
    name, file = sys.argv[1:]
    Path(file).write_text(str(STEPS[name](get_site())))
