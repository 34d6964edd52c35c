"""Runs jobs from the command line: `python -m orchestration build`, `learn`, or `demo <site>…`.

The same jobs as in the UI, recorded in the same Dagster instance. `pumasi build`, `pumasi network
learn` and `pumasi demo` start this program. PUMASI_SITE names the hospital to build; a demo builds
those that are named.
"""

import logging
import os
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

import dagster as dg
from rich.console import Console
from rich.markup import escape

from orchestration.dead_runs import process_tag, report_dead_runs
from orchestration.demo import build_all
from orchestration.demo_network import learn_all
from orchestration.hub.definitions import PUBLISH, hub
from orchestration.hub.models import LEARN, how_it_ended
from orchestration.processes import INTERRUPTED
from orchestration.site.automation import build_name, fetch_name, ingest_name, job_names
from orchestration.site.definitions import build_definitions
from orchestration.site.extract import partitions
from orchestration.summary import print_summary
from pumasi.config import SiteConfig, SitePaths, get_site, hub_folder
from pumasi.errors import PumasiError
from pumasi.extract import discover
from pumasi.learn.tasks import NETWORK_TASKS

# Names of hospitals, folders and settings are printed as they are: brackets in them are no style.
console = Console(file=sys.stdout, markup=False, emoji=False)
# The event log has everything; the terminal gets what this program prints.
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def main(arguments: Sequence[str]) -> int:
    """Run one command and return the exit code: 0 when every run succeeded."""
    command = arguments[0] if arguments else ""
    if command not in ("build", "learn", "demo"):
        sys.stderr.write("usage: python -m orchestration build | learn | demo <site>…\n")
        return 2
    try:
        if command == "demo":
            sites = [get_site(each) for each in arguments[1:]]
            # The hub first: Dagster makes its databases at first use, and the hospitals' programs
            # must not do so at once.
            succeeded = publish() and build_all(sites, console) and learn_all(sites, learn, say)
            console.print("Look at it: `make dev`, then the Dagster UI on 127.0.0.1:3000")
        elif command == "learn":
            succeeded = learn()
            with dg.DagsterInstance.get() as instance:
                for plan in NETWORK_TASKS if succeeded else ():
                    say(how_it_ended(plan, instance))
        else:
            config = get_site()
            succeeded = run_site(config)
            print_summary(config, console)
    except PumasiError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0 if succeeded else 1


def publish() -> bool:
    """Let the hub write down what it knows; False if its run failed."""
    return _run_hub(PUBLISH)


def learn() -> bool:
    """Let the hub learn over the network, which is up; False if its run failed."""
    return _run_hub(LEARN)


def _run_hub(job: str) -> bool:
    logging.getLogger("dagster").setLevel(logging.ERROR)
    folder = hub_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with dg.DagsterInstance.get() as instance, console.status(f"{job}: running"):
        report_dead_runs(instance, [job])
        return _run(hub(), instance, job, None, folder / f"{job}.log")


def say(message: str) -> None:
    """Print a line as it is."""
    console.print(message, markup=False, highlight=False, soft_wrap=True)


def run_site(config: SiteConfig) -> bool:
    """Fetch if there is a connector, take in every delivery, then build; False if a run failed.

    A release that is sealed closed fails the build job at its blocking check: nothing is trained
    from it, and whoever started the build is told.
    """
    logging.getLogger("dagster").setLevel(logging.ERROR)
    with dg.DagsterInstance.get() as instance, console.status(f"{config.id}: starting") as status:
        report_dead_runs(instance, job_names(config))
        definitions = build_definitions(config)
        log = SitePaths.of(config.id).root / "build.log"
        if config.source.connector != "folder":
            status.update(f"{config.id}: asking the source")
            if not _run(definitions, instance, fetch_name(config), None, log):
                return False
        keys = [folder.key for folder in discover(config)]
        instance.add_dynamic_partitions(partitions(config).name or "", keys)
        for key in keys:
            status.update(f"{config.id}: taking in {escape(key)}")
            if not _run(definitions, instance, ingest_name(config), key, log):
                return False
        status.update(f"{config.id}: transform, check, seal, train")
        return _run(definitions, instance, build_name(config), None, log)


def _run(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    job: str,
    key: str | None,
    log: Path,
) -> bool:
    started = time.monotonic()
    # dbt's line per model belongs into a file, not between our own lines.
    with log.open("a") as stream, redirect_stdout(stream):
        result = definitions.resolve_job_def(job).execute_in_process(
            instance=instance,
            partition_key=key,
            raise_on_error=False,
            run_config=QUIET,
            tags=process_tag(),
        )
    seconds = time.monotonic() - started
    state = "succeeded" if result.success else "failed"
    say(f"{job}{f' {key}' if key else ''}: {state} in {seconds:.0f} s")
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            cause = data.error.cause or data.error if data.error else None
            say(f"  {event.step_key}: {cause.message.strip() if cause else 'failed'}")
    return result.success


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # At the end of an interpreter DuckDB 2.0 writes pages about objects that Python had not
    # collected, on standard error. All that is ours has been written by now.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    sys.exit(code)
