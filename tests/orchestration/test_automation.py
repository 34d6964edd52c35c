"""A delivery that appears is seen, once; an unreadable source is a message and not a crash."""

import dagster as dg

from orchestration.site.automation import automation
from orchestration.site.extract import partitions
from tests.orchestration.conftest import Ward, bleeding_hospital


def look(ward: Ward) -> dg.SensorResult | dg.SkipReason:
    found = automation(ward.config, partitions(ward.config))
    sensor = next(each for each in found.sensors if each.name == "tiny_new_delivery")
    with dg.build_sensor_context(instance=ward.instance) as context:
        return sensor(context)  # type: ignore[return-value, operator]


def test_a_new_delivery_is_requested_and_a_known_one_is_not(ward: Ward) -> None:
    ward.deliver(bleeding_hospital(3), "first", "2019-06-30")
    result = look(ward)
    assert isinstance(result, dg.SensorResult)
    (request,) = result.run_requests or ()
    assert request.partition_key is not None
    assert request.partition_key.startswith("first-")
    ward.instance.add_dynamic_partitions("tiny_deliveries", [request.partition_key])
    assert "1 deliveries at the source, all known" in str(look(ward))
    ward.deliver(bleeding_hospital(4), "second", "2019-07-31")
    again = look(ward)
    assert isinstance(again, dg.SensorResult)
    assert [str(each.partition_key)[:7] for each in again.run_requests or ()] == ["second-"]


def test_an_empty_source_folder_is_a_reason(ward: Ward) -> None:
    assert "no file of format fhir_r4" in str(look(ward))
