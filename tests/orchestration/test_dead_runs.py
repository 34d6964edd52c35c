"""A build that is killed is reported as failed, and nothing that Dagster queues waits for it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import pytest
from dagster._core.op_concurrency_limits_counter import GlobalOpConcurrencyLimitsCounter

from orchestration.__main__ import main
from orchestration.site.automation import automation
from orchestration.site.extract import partitions
from tests.orchestration.conftest import Ward, bleeding_hospital

pytestmark = pytest.mark.slow


@contextmanager
def build_under_way(ward: Ward) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that builds the hospital, whose run of `tiny_build` has started."""
    ward.deliver(bleeding_hospital(3), "first", "2019-06-30")
    command = [sys.executable, "-c", "from pumasi.cli import main; main()", "build"]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            while state(ward) != dg.DagsterRunStatus.STARTED:
                assert process.poll() is None
                time.sleep(0.1)
            yield process
        finally:
            process.kill()


def run_of_the_build(ward: Ward) -> dg.RunRecord | None:
    records = ward.instance.get_run_records(dg.RunsFilter(job_name="tiny_build"))
    return records[0] if records else None


def state(ward: Ward) -> dg.DagsterRunStatus | None:
    record = run_of_the_build(ward)
    return record.dagster_run.status if record else None


def another_would_wait(ward: Ward) -> bool:
    """Whether Dagster's queue keeps a second run of the build back."""
    record = run_of_the_build(ward)
    assert record
    running = ward.instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    pools = ward.instance.event_log_storage
    settings = ward.instance.get_concurrency_config().pool_config
    # The first makes the limit of a pool that has none yet.
    counters = [
        GlobalOpConcurrencyLimitsCounter(
            ward.instance,
            [record.dagster_run],
            running,
            pools.get_concurrency_keys(),
            pools.get_pool_limits(),
            pool_granularity=settings.pool_granularity,
        )
        for _ in range(2)
    ]
    return counters[-1].is_blocked(record.dagster_run)


def look(ward: Ward) -> str:
    """What the sensor says that reports dead runs."""
    sensors = automation(ward.config, partitions(ward.config)).sensors
    (sensor,) = (each for each in sensors if each.name == "tiny_dead_runs")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    with dg.build_sensor_context(instance=ward.instance) as context:
        return str(sensor(context))


def test_a_killed_build_keeps_nobody_waiting_once_the_sensor_has_looked(ward: Ward) -> None:
    with build_under_way(ward) as process:
        assert "reported as failed: none" in look(ward)
        assert state(ward) == dg.DagsterRunStatus.STARTED
        assert another_would_wait(ward)
        process.kill()
        process.wait()
    assert another_would_wait(ward)
    record = run_of_the_build(ward)
    assert record
    assert record.dagster_run.run_id in look(ward)
    assert state(ward) == dg.DagsterRunStatus.FAILURE
    assert not another_would_wait(ward)
    assert "reported as failed: none" in look(ward)


def test_the_next_build_reports_one_that_was_killed(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    with build_under_way(ward):
        pass
    assert state(ward) == dg.DagsterRunStatus.STARTED
    monkeypatch.setenv("PUMASI_SITE", "tiny")
    # This one finds no delivery and ends at once.
    (ward.root / "extract").rename(ward.root / "elsewhere")
    assert main(["build"]) == 1
    assert state(ward) == dg.DagsterRunStatus.FAILURE


def test_a_build_that_is_interrupted_reports_itself(ward: Ward) -> None:
    with build_under_way(ward) as process:
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=60) == 1
    assert state(ward) == dg.DagsterRunStatus.FAILURE
    assert not another_would_wait(ward)
