"""Asset checks of which nothing is known fail: no candidate, another table, no outcome."""

import json

import dagster as dg
import pytest

from tests.orchestration.conftest import Ward

PERSON = dg.AssetKey(["tiny", "omop", "person"])


def check(ward: Ward) -> list[dg.AssetCheckEvaluation]:
    """Run the checks of person alone, in a run of their own."""
    job = dg.define_asset_job("check", dg.AssetSelection.checks_for_assets(PERSON))
    definitions = dg.Definitions.merge(ward.definitions(), dg.Definitions(jobs=[job]))
    result = definitions.resolve_job_def("check").execute_in_process(
        instance=ward.instance, raise_on_error=False
    )
    assert result.success
    found = result.get_asset_check_evaluations()
    assert {each.check_name for each in found} == {"conformance", "completeness", "plausibility"}
    return found


def leave_outcomes(ward: Ward, materialised: dict[str, str]) -> None:
    """A candidate that was checked with no outcome at all, when those runs had made its tables."""
    said = {
        "run_id": "earlier",
        "transformation": "",
        "outcomes": [],
        "materialised": materialised,
    }
    ward.paths.candidate.mkdir(parents=True)
    (ward.paths.candidate / "outcomes.json").write_text(json.dumps(said))


def test_without_a_candidate(ward: Ward) -> None:
    for each in check(ward):
        assert (each.passed, each.severity) == (False, dg.AssetCheckSeverity.ERROR)
        assert "the candidate was not checked; run the build again" in str(each.description)


@pytest.mark.parametrize("materialised", [{}, {"tiny/omop/person": "earlier"}])
def test_of_a_table_that_is_another_one_now(ward: Ward, materialised: dict[str, str]) -> None:
    leave_outcomes(ward, materialised)
    ward.instance.report_runless_asset_event(dg.AssetMaterialization(PERSON))
    for each in check(ward):
        assert (each.passed, each.severity) == (False, dg.AssetCheckSeverity.ERROR)
        assert str(each.description).startswith("not checked since: the table was made by run ")


def test_of_a_table_that_has_no_outcome(ward: Ward) -> None:
    ward.instance.report_runless_asset_event(dg.AssetMaterialization(PERSON))
    (record,) = ward.instance.get_asset_records([PERSON])
    latest = record.asset_entry.last_materialization_record
    assert latest is not None
    leave_outcomes(ward, {"tiny/omop/person": latest.run_id})
    for each in check(ward):
        assert (each.passed, each.severity) == (False, dg.AssetCheckSeverity.ERROR)
        assert each.description == "not checked: the build has no outcome of this kind"
