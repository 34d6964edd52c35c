"""A hospital with a connector: fetched by a schedule, found by the sensor, read once, removed."""

import subprocess
import sys
from collections.abc import Iterator

import dagster as dg
import pytest

from orchestration.site.automation import automation
from orchestration.site.extract import partitions
from pumasi.config import project_root
from pumasi.config.environment import program_environment
from tests.extract.connectors.bulk_server import BulkServer, running_bulk_server
from tests.extract.extracts import condition, encounter, patient
from tests.orchestration.conftest import Ward

SITE = """\
name = "Tiny hospital"
format = "fhir_r4"

[source]
connector = "fhir_bulk"
url = "{url}"
kind = "incremental"

[source.fhir_bulk]

[vocabulary]
source = "folder"
url = "../vocabulary"
"""


@pytest.fixture
def bulk(ward: Ward) -> Iterator[BulkServer]:
    """The ward's source is a FHIR server."""
    with running_bulk_server() as server:
        server.polls = 0
        server.add(patient(), encounter(), condition())
        (ward.root / "network" / "tiny.toml").write_text(SITE.format(url=server.url))
        yield server


def run(ward: Ward, job: str, delivery: str | None = None) -> dg.ExecuteInProcessResult:
    return (
        ward.definitions()
        .resolve_job_def(job)
        .execute_in_process(instance=ward.instance, partition_key=delivery)
    )


def asked(ward: Ward) -> list[str]:
    """Deliveries that the sensor asks for."""
    found = automation(ward.config, partitions(ward.config))
    sensor = next(each for each in found.sensors if each.name == "tiny_new_delivery")
    with dg.build_sensor_context(instance=ward.instance) as context:
        seen = sensor(context)
    if isinstance(seen, dg.SkipReason):
        return []
    assert isinstance(seen, dg.SensorResult)
    for request in seen.dynamic_partitions_requests or ():
        ward.instance.add_dynamic_partitions("tiny_deliveries", list(request.partition_keys))
    return [str(each.partition_key) for each in seen.run_requests or ()]


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, object]:
    (event,) = [
        each.step_materialization_data.materialization
        for each in result.get_asset_materialization_events()
        if each.asset_key == dg.AssetKey(["tiny", asset])
    ]
    return {name: value.value for name, value in event.metadata.items()}


@pytest.mark.slow
def test_what_is_fetched_is_found_read_once_and_removed(ward: Ward, bulk: BulkServer) -> None:
    assert asked(ward) == []
    fetched = metadata(run(ward, "tiny_fetch"), "landing")
    assert (fetched["kind"], fetched["as of"], fetched["dagster/row_count"]) == (
        "full", "2024-06-30", 3,
    )  # fmt: skip
    (delivery,) = asked(ward)
    assert delivery.startswith("2024-06-30-")
    assert metadata(run(ward, "tiny_ingest", delivery), "raw")["dagster/row_count"] == 3
    assert not list(ward.paths.landing.rglob("*.ndjson"))
    assert asked(ward) == []
    # A backfill meets a delivery whose files are gone, and leaves it alone.
    again = run(ward, "tiny_ingest", delivery)
    assert metadata(again, "raw")["state"] == "read before, left alone"
    assert metadata(again, "delivery")["as of"] == "2024-06-30"
    bulk.now = "2024-07-31T00:00:00Z"
    assert metadata(run(ward, "tiny_fetch"), "landing") == {"state": "nothing new at the source"}
    whole = {"ops": {"tiny__landing": {"config": {"full": True}}}}
    job = ward.definitions().resolve_job_def("tiny_fetch")
    result = job.execute_in_process(instance=ward.instance, run_config=whole)
    assert metadata(result, "landing")["kind"] == "full"


def test_asking_the_source_is_a_job_and_a_schedule_of_its_own(ward: Ward, bulk: BulkServer) -> None:
    definitions = ward.definitions()
    assert {each.name for each in definitions.schedules or ()} == {
        "tiny_nightly", "tiny_fetch_nightly",
    }  # fmt: skip
    landing = dg.AssetKey(["tiny", "landing"])
    for job, has in (("tiny_fetch", True), ("tiny_build", False), ("tiny_ingest", False)):
        keys = definitions.resolve_job_def(job).asset_layer.selected_asset_keys
        assert (landing in keys) is has, job
    graph = definitions.resolve_asset_graph()
    assert graph.get(dg.AssetKey(["tiny", "delivery"])).parent_keys == {landing}
    assert bulk.asked == []


DATABASE = """\
name = "Tiny hospital"
format = "omop_cdm"

[source]
connector = "database"
url = "postgresql://reader@127.0.0.1:1/dw"

[source.database]
schema_name = "omop"
password_env = "PASSWORD_THAT_NOBODY_SET"
"""


@pytest.mark.slow
def test_a_step_that_failed_is_printed_with_the_section_that_it_names(ward: Ward) -> None:
    (ward.root / "network" / "tiny.toml").write_text(DATABASE)
    done = subprocess.run(
        [sys.executable, "-m", "orchestration", "build"],
        cwd=project_root(),
        env=program_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    variable = "the variable PASSWORD_THAT_NOBODY_SET is not set"
    assert f"site tiny: [source.database]: {variable}" in done.stdout
