"""Runs whose process is gone: Dagster has them as started for good, and keeps their pool for them.

A command runs its jobs in its own process, which nobody watches. So each run names that process,
and who looks later reports it as failed once the process has ended.
"""

from collections.abc import Collection

import dagster as dg

from orchestration.processes import has_ended, this_process

PROCESS = "pumasi/process"
NOT_FINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
SAID = "The process of this run has ended, and the run had not: it was killed, or the machine."


def process_tag() -> dict[str, str]:
    """The tag of a run that this process executes itself."""
    return {PROCESS: this_process()}


def report_dead_runs(instance: dg.DagsterInstance, jobs: Collection[str]) -> list[str]:
    """Report the runs of these jobs whose process has ended as failed, and return their ids."""
    open_runs = instance.get_run_records(dg.RunsFilter(statuses=NOT_FINISHED))
    dead = [each.dagster_run.run_id for each in open_runs if _is_dead(each.dagster_run, jobs)]
    if not dead:
        return []
    # Read anew: a run may have ended as it should between being read and the look at its process.
    left = instance.get_run_records(dg.RunsFilter(run_ids=dead, statuses=NOT_FINISHED))
    for each in left:
        instance.report_run_failed(each.dagster_run, SAID)
    return [each.dagster_run.run_id for each in left]


def _is_dead(run: dg.DagsterRun, jobs: Collection[str]) -> bool:
    """Whether its process has ended; a run that Dagster itself started names none."""
    return run.job_name in jobs and PROCESS in run.tags and has_ended(run.tags[PROCESS])
