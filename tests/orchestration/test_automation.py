"""A delivery that appears is read, once; what was read is built, once; and every night.

The sensors and the schedule are evaluated as Dagster's daemon does, against runs in its instance.
"""

from datetime import UTC, datetime

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from orchestration.site.automation import ATTEMPTS, DEAD_AFTER, Ingests, automation
from orchestration.site.extract import partitions
from tests.orchestration.conftest import Ward, bleeding_hospital

RAW = dg.AssetKey(["tiny", "raw"])
Seen = dg.SensorResult | dg.SkipReason | dg.RunRequest


def look(ward: Ward, name: str = "tiny_new_delivery") -> Seen:
    found = automation(ward.config, partitions(ward.config))
    sensor = next(each for each in found.sensors if each.name == name)
    with dg.build_sensor_context(instance=ward.instance) as context:
        return sensor(context)  # type: ignore[return-value, operator]


def look_for_builds(ward: Ward) -> Seen:
    return look(ward, "tiny_build_after_ingest")


def requests(seen: Seen) -> list[tuple[str, str]]:
    """Run key and delivery of every run that was asked for."""
    assert isinstance(seen, dg.SensorResult), seen
    return [(str(r.run_key), str(r.partition_key)) for r in seen.run_requests or ()]


def run(
    ward: Ward, delivery: str, status: dg.DagsterRunStatus, job: str = "tiny_ingest"
) -> dg.DagsterRun:
    """A run that reads the delivery, as far as Dagster knows of it."""
    ward.instance.add_dynamic_partitions("tiny_deliveries", [delivery])
    return create_run_for_test(
        ward.instance,
        job_name=job,
        status=status,
        tags={"dagster/partition": delivery},
        asset_selection=frozenset({RAW}) if job == "__ASSET_JOB" else None,
    )


def read(ward: Ward, delivery: str) -> None:
    """The delivery was read: its partition of raw is materialised."""
    ward.instance.add_dynamic_partitions("tiny_deliveries", [delivery])
    ward.instance.report_runless_asset_event(
        dg.AssetMaterialization(asset_key=RAW, partition=delivery)
    )


def test_a_new_delivery_is_requested_and_one_that_was_read_is_not(ward: Ward) -> None:
    ward.deliver(bleeding_hospital(3), "first", "2019-06-30")
    ((run_key, first),) = requests(look(ward))
    assert first.startswith("first-")
    assert run_key == f"{first}/1"
    read(ward, first)
    assert "1 deliveries at the source, 1 read; 0 being read" in str(look(ward))
    ward.deliver(bleeding_hospital(4), "second", "2019-07-31")
    assert [delivery[:7] for _, delivery in requests(look(ward))] == ["second-"]


def test_a_delivery_that_is_being_read_is_waited_for(ward: Ward) -> None:
    ward.deliver(bleeding_hospital(3), "first", "2019-06-30")
    ((_, first),) = requests(look(ward))
    run(ward, first, dg.DagsterRunStatus.NOT_STARTED)
    assert "0 read; 1 being read" in str(look(ward))


def test_a_delivery_whose_reading_failed_is_asked_for_again_a_few_times(
    ward: Ward, caplog: pytest.LogCaptureFixture
) -> None:
    ward.deliver(bleeding_hospital(3), "first", "2019-06-30")
    ((_, first),) = requests(look(ward))
    for attempt in range(1, ATTEMPTS + 1):
        assert requests(look(ward)) == [(f"{first}/{attempt}", first)]
        run(ward, first, dg.DagsterRunStatus.FAILURE)
    given_up = str(look(ward))
    assert f"delivery {first} could not be read in {ATTEMPTS} attempts" in given_up
    assert "run tiny_ingest for it by hand" in given_up

    # It stays visible while others are asked for; read by hand, it is done with.
    ward.deliver(bleeding_hospital(4), "second", "2019-07-31")
    assert [delivery[:7] for _, delivery in requests(look(ward))] == ["second-"]
    read(ward, first)
    ((_, second),) = requests(look(ward))
    read(ward, second)
    assert "could not be read" not in str(look(ward))


def test_an_empty_source_folder_is_a_reason(ward: Ward) -> None:
    assert "no file of format fhir_r4" in str(look(ward))


def test_n_deliveries_end_in_one_build(ward: Ward) -> None:
    assert "no delivery has been read" in str(look_for_builds(ward))
    names = [f"d{number}" for number in range(4)]
    asked = []
    for done in range(4):
        waiting = [run(ward, name, dg.DagsterRunStatus.NOT_STARTED) for name in names[done + 1 :]]
        read(ward, names[done])
        seen = look_for_builds(ward)
        if isinstance(seen, dg.RunRequest):
            asked.append(seen.run_key)
        else:
            assert f"{len(waiting)} runs are still reading" in str(seen)
        for each in waiting:
            ward.instance.delete_run(each.run_id)
    assert len(asked) == 1

    # Dagster starts one run of a key: looking again, or reading the same again, asks for no other.
    read(ward, names[0])
    again = look_for_builds(ward)
    assert isinstance(again, dg.RunRequest)
    assert again.run_key == asked[0]
    read(ward, "d5")
    more = look_for_builds(ward)
    assert isinstance(more, dg.RunRequest)
    assert more.run_key != asked[0]


def test_a_delivery_that_fails_does_not_keep_the_others_from_being_built(ward: Ward) -> None:
    read(ward, "good")
    run(ward, "bad", dg.DagsterRunStatus.STARTED)
    assert isinstance(look_for_builds(ward), dg.SkipReason)
    (started,) = ward.instance.get_runs()
    ward.instance.report_run_failed(started)
    assert isinstance(look_for_builds(ward), dg.RunRequest)


def test_reading_by_hand_is_waited_for_and_other_hospitals_are_not(ward: Ward) -> None:
    read(ward, "good")
    run(ward, "theirs", dg.DagsterRunStatus.STARTED, job="other_ingest")
    assert isinstance(look_for_builds(ward), dg.RunRequest)
    run(ward, "ours", dg.DagsterRunStatus.STARTED, job="__ASSET_JOB")
    assert "1 runs are still reading" in str(look_for_builds(ward))


def test_a_run_that_was_killed_with_its_process_is_not_waited_for_for_ever(ward: Ward) -> None:
    """It stays "started" in Dagster, whatever became of it."""
    run(ward, "d1", dg.DagsterRunStatus.STARTED)
    soon = Ingests(ward.config, ward.instance, datetime.now(UTC))
    later = Ingests(ward.config, ward.instance, datetime.now(UTC) + DEAD_AFTER)
    assert (len(soon.running()), soon.failures("d1")) == (1, 0)
    assert (len(later.running()), later.failures("d1")) == (0, 1)


def test_every_night_at_two_a_build_is_asked_for(ward: Ward) -> None:
    found = automation(ward.config, partitions(ward.config))
    (nightly,) = found.schedules
    assert (nightly.cron_schedule, nightly.job_name) == ("0 2 * * *", "tiny_build")
    night = datetime(2026, 11, 25, 2, tzinfo=UTC)
    context = dg.build_schedule_context(instance=ward.instance, scheduled_execution_time=night)
    tick = nightly.evaluate_tick(context)
    assert len(tick.run_requests or ()) == 1
    assert tick.skip_message is None
    # Everything but reading deliveries: from the vocabulary to the model, with the checks.
    keys = ward.definitions().resolve_job_def("tiny_build").asset_layer.executable_asset_keys
    names = {key.to_user_string() for key in keys}
    assert {"tiny/vocabulary", "tiny/omop/person", "tiny/release"} <= names
    assert "tiny/models/gi_bleed_risk" in names
    assert names & {"tiny/raw", "tiny/delivery"} == set()
