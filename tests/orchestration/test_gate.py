"""Nothing is learned from what failed: in the same run, later, by a schedule, or by hand."""

import json
import time
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.asset_daemon_cursor import AssetDaemonCursor

from pumasi.quality import Severity, Status
from pumasi.release import latest_release
from tests.orchestration.conftest import Ward, bleeding_hospital

MODEL = dg.AssetKey(["tiny", "models", "gi_bleed_risk"])


def models(ward: Ward) -> list[Path]:
    return sorted((ward.paths.models / "gi_bleed_risk").glob("*.json"))


def materialise_by_hand(ward: Ward) -> dg.ExecuteInProcessResult:
    """What "Materialize selected" does with the model alone."""
    definitions = ward.definitions()
    job = definitions.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(
        instance=ward.instance, asset_selection=[MODEL], raise_on_error=False
    )


def write_waivers(ward: Ward, checks: set[str]) -> None:
    """Accept all of these, to any share."""
    entries = [
        f'[[waivers]]\ncheck = "{check}"\nlimit = 1.0\nresponsible = "data office"\n'
        'reason = "a test"\nuntil = 2999-12-31\n'
        for check in sorted(checks)
    ]
    (ward.root / "network" / "tiny.waivers.toml").write_text("\n".join(entries))


def seal_again(ward: Ward) -> None:
    """Check and seal the warehouse once more: what was trained is older from here on."""
    keys = [["tiny", "candidate"], ["tiny", "release"]]
    job = dg.define_asset_job("seal", dg.AssetSelection.assets(*keys))
    definitions = dg.Definitions.merge(ward.definitions(), dg.Definitions(jobs=[job]))
    definitions.resolve_job_def("seal").execute_in_process(
        instance=ward.instance, raise_on_error=False
    )


def ask_to_train(
    ward: Ward, cursor: AssetDaemonCursor | None = None
) -> tuple[int, AssetDaemonCursor]:
    """How many models automation asks for now, having looked last at `cursor`; and the next one."""
    evaluated = dg.evaluate_automation_conditions(
        defs=ward.definitions(),
        instance=ward.instance,
        asset_selection=dg.AssetSelection.assets(MODEL),
        cursor=cursor,
    )
    return evaluated.total_requested, evaluated.cursor


def message_of(result: dg.ExecuteInProcessResult) -> str:
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    error = failure.step_failure_data.error
    assert error is not None
    return (error.cause or error).message


@pytest.mark.slow
def test_a_closed_release_trains_nothing_although_an_older_one_is_open(ward: Ward) -> None:
    ward.deliver(bleeding_hospital(), "first", "2019-06-30")
    assert ward.build()
    opened = latest_release(ward.paths)
    assert opened is not None
    assert opened.reasons_closed() == []
    (model,) = models(ward)
    assert json.loads(model.read_text())["release"] == opened.id

    # Automation asks for a model when an open release is newer than it, and then once.
    asked, cursor = ask_to_train(ward)
    assert asked == 0, "the build has trained from this release"
    seal_again(ward)
    asked, cursor = ask_to_train(ward, cursor)
    assert asked == 1
    asked, cursor = ask_to_train(ward, cursor)
    assert asked == 0

    # The next delivery names persons that it does not bring: an error check without a waiver.
    damaged = bleeding_hospital()
    damaged.resources["Patient"] = damaged.resources["Patient"][:250]
    time.sleep(0.01)
    ward.deliver(damaged, "second", "2019-07-31")
    assert not ward.build()

    closed = latest_release(ward.paths)
    assert closed is not None
    assert closed.id != opened.id
    failed = {
        outcome.name
        for outcome in closed.outcomes
        if outcome.status is Status.FAILED and outcome.severity is Severity.ERROR
    }
    assert "drug_exposure.person_is_delivered" in failed
    assert models(ward) == [model], "the run that sealed it closed trained nothing"

    result = materialise_by_hand(ward)
    assert not result.success
    message = message_of(result)
    assert "GateClosedError" in message
    assert "drug_exposure.person_is_delivered: violated by 250 of 500" in message
    assert closed.id in message
    assert models(ward) == [model], "and nothing was trained by hand"

    # The release is newer than the model again, and closed: automation asks for nothing.
    asked, cursor = ask_to_train(ward, cursor)
    assert asked == 0
    asked, cursor = ask_to_train(ward)
    assert asked == 0

    # Waivers of every check that failed let it be trained by hand, written down and printed.
    write_waivers(ward, failed)
    result = materialise_by_hand(ward)
    assert result.success
    (materialised,) = result.asset_materializations_for_node("tiny__models__gi_bleed_risk")
    assert materialised.metadata["state"].value == "trained"
    assert "drug_exposure.person_is_delivered up to 100.00% until 2999-12-31, data office" in str(
        materialised.metadata["waivers"].value
    )
    trained = json.loads((ward.paths.models / "gi_bleed_risk" / f"{closed.id}.json").read_text())
    assert {waiver["check"] for waiver in trained["waivers"]} == failed
    lines = [json.loads(line) for line in ward.paths.audit_log.read_text().splitlines()]
    assert {line["check"] for line in lines} == failed
    assert {line["purpose"] for line in lines} == {"gi_bleed_risk"}

    # Editing one byte of the release makes reading it fail, open or not.
    table = opened.folder / "tables" / "gi_bleed__new_users.parquet"
    content = bytearray(table.read_bytes())
    content[len(content) // 2] ^= 1
    table.write_bytes(content)
    with pytest.raises(Exception, match="table 'gi_bleed__new_users' is not what was sealed"):
        opened.table("gi_bleed__new_users")
