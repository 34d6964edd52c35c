"""What a build of a small hospital leaves in Dagster, in the UI, and on disk when it breaks."""

from collections import Counter
from io import StringIO
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from rich.console import Console

from orchestration.site.asset_checks import Places
from orchestration.summary import print_summary
from pumasi.quality import Status
from pumasi.release import latest_release
from tests.browser import browser_page, dagster_ui
from tests.orchestration.conftest import Ward

MODEL = dg.AssetKey(["tiny", "models", "gi_bleed_risk"])
ASSETS = """
async () => {
    const query = "{ assetNodes { assetKey { path } } }";
    const response = await fetch("/graphql", {
        method: "POST",
        headers: {"content-type": "application/json"},
        body: JSON.stringify({query}),
    });
    const nodes = (await response.json()).data.assetNodes;
    return nodes.map((node) => node.assetKey.path.join("/"));
}
"""

pytestmark = pytest.mark.slow


def metadata(ward: Ward, *path: str) -> dict[str, object]:
    event = ward.instance.get_latest_materialization_event(dg.AssetKey(["tiny", *path]))
    assert event is not None
    assert event.asset_materialization is not None
    return {k: v.value for k, v in event.asset_materialization.metadata.items()}


def test_too_few_cases_end_in_an_open_release_and_no_model(built: Ward) -> None:
    release = latest_release(built.paths)
    assert release is not None
    assert release.reasons_closed() == []
    assert not list(built.paths.models.rglob("*.json"))
    assert "not trained: too few cases" in str(metadata(built, *MODEL.path[1:])["state"])


def test_a_release_is_open_for_one_task_and_closed_for_another_that_lacks_what_it_needs(
    built: Ward,
) -> None:
    lacking = [
        f"fabry_screening needs {check} within 0.00%: nothing to check, as declared"
        for check in (
            "measurement.fabry_test_has_a_unit",
            "int_measurements_standardised.the_unit_of_a_number_is_known",
        )
    ]
    card = metadata(built, "release")
    assert (card["gate"], card["waivers"]) == ("open", "none in use")
    assert card["gate of gi_bleed_risk"] == "open"
    assert card["gate of fabry_screening"] == ("; ".join(["closed", *lacking]))
    state = str(metadata(built, "models", "fabry_screening")["state"])
    assert state.startswith("not trained: site tiny is closed for fabry_screening; release ")
    assert [reason for reason in lacking if reason not in state] == []


def test_every_asset_says_how_many_rows_it_has(built: Ward) -> None:
    keys = built.definitions().resolve_asset_graph().get_all_asset_keys()
    said = {key: metadata(built, *key.path[1:]).get("dagster/row_count") for key in keys}
    assert {
        key.to_user_string() for key, rows in said.items() if not isinstance(rows, int)
    } == set()

    # Of a folder's models some are in another schema: a mart's steps, and the seeds.
    with duckdb.connect(str(built.paths.warehouse), read_only=True) as connection:
        relations = dict(
            connection.execute(
                "select table_name, table_schema from information_schema.tables"
            ).fetchall()
        )
        for key, rows in said.items():
            if len(key.path) == 3 and key.path[-1] in relations:
                query = f'select count(*) from {relations[key.path[-1]]}."{key.path[-1]}"'
                assert connection.execute(query).fetchall()[0][0] == rows, key
    assert relations["asthma__int_base_cohort"] == "intermediate"
    assert metadata(built, "omop", "person")["dagster/row_count"] == 61
    assert metadata(built, "staging", "stg_fhir_r4__persons")["dagster/row_count"] == 61
    read = metadata(built, "raw")["dagster/row_count"]
    assert read == metadata(built, "delivery")["dagster/row_count"]
    assert metadata(built, "raw")["rows quarantined"] == 0
    assert metadata(built, "release")["gate"] == "open"
    sealed = metadata(built, "release")["dagster/row_count"]
    assert metadata(built, "candidate")["dagster/row_count"] == sealed
    users = metadata(built, "marts", "gi_bleed__new_users")["dagster/row_count"]
    assert metadata(built, *MODEL.path[1:])["dagster/row_count"] == users


def shown(ward: Ward) -> dict[tuple[str, str], dg.AssetCheckEvaluation]:
    """The latest result of every asset check that is defined, by asset and name."""
    keys = list(ward.definitions().resolve_asset_graph().asset_check_keys)
    records = ward.instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    assert set(records) == set(keys)
    found = {}
    for key, record in records.items():
        assert record.event is not None, key
        assert record.event.dagster_event is not None
        evaluation = record.event.dagster_event.asset_check_evaluation_data
        found[key.asset_key.to_user_string(), key.name] = evaluation
    return found


def test_every_outcome_is_counted_on_an_asset_check_of_its_table(built: Ward) -> None:
    release = latest_release(built.paths)
    assert release is not None
    places = Places("tiny", built.paths.dbt_target / "manifest.json")
    checks = shown(built)
    counted: Counter[tuple[str, str]] = Counter()
    for outcome in release.outcomes:
        keys = places.of(outcome)
        assert keys, outcome.name
        counted.update((key.to_user_string(), str(outcome.category)) for key in keys)
    gate = ("tiny/release", "gate_is_open")
    assert set(counted) == set(checks) - {gate}
    for key, check in checks.items():
        if key != gate:
            assert check.metadata["checks"].value == counted[key], key
    assert ("tiny/staging/stg_fhir_r4__persons", "completeness") in counted
    assert ("tiny/intermediate/int_persons", "conformance") in counted
    assert ("tiny/seeds/concept_sets", "completeness") in counted
    assert ("tiny/omop/concept", "conformance") in counted


def test_an_asset_check_fails_exactly_where_an_outcome_did(built: Ward) -> None:
    release = latest_release(built.paths)
    assert release is not None
    places = Places("tiny", built.paths.dbt_target / "manifest.json")
    bad = {
        (key.to_user_string(), str(outcome.category))
        for outcome in release.outcomes
        if outcome.status in (Status.FAILED, Status.ERROR)
        for key in places.of(outcome)
    }
    assert {key for key, check in shown(built).items() if not check.passed} == bad


def test_tests_of_an_empty_view_are_not_applicable(built: Ward) -> None:
    """Nobody died: the views on the way to `death` are empty, and their tests passed nothing."""
    release = latest_release(built.paths)
    assert release is not None
    outcomes = {outcome.name: outcome for outcome in release.outcomes}
    empty = outcomes["int_deaths.event_date_is_present"]
    assert (empty.status, empty.denominator) == (Status.NOT_APPLICABLE, 0)
    assert outcomes["int_persons.person_id_is_unique"].denominator == 61
    assert {o.name for o in release.outcomes if o.denominator is None} == set()
    check = shown(built)["tiny/intermediate/int_deaths", "completeness"]
    assert check.description == "not applicable: nothing to check, as declared"


def run_some(ward: Ward, selection: dg.AssetSelection) -> None:
    """Run a part of the build, as somebody does who picks assets in the UI."""
    job = dg.define_asset_job("some", selection=selection)
    definitions = dg.Definitions.merge(ward.definitions(), dg.Definitions(jobs=[job]))
    result = definitions.resolve_job_def("some").execute_in_process(
        instance=ward.instance, raise_on_error=False
    )
    assert result.success


def test_what_was_made_again_since_is_not_shown_as_checked(built: Ward) -> None:
    candidate = dg.AssetKey(["tiny", "candidate"])
    person = ("tiny/omop/person", "plausibility")
    transform = dg.AssetSelection.groups("staging", "seeds", "intermediate", "omop", "marts")
    of_tables = dg.AssetSelection.checks_for_assets(
        *(key for key in built.definitions().resolve_asset_graph().get_all_asset_keys()
          if key.path[1] != "release")
    )  # fmt: skip
    was = shown(built)[person]
    assert was.passed

    run_some(built, transform.without_checks())
    run_some(built, of_tables)
    stale = shown(built)
    assert stale.pop(("tiny/release", "gate_is_open")).passed
    assert {key for key, check in stale.items() if check.passed} == set()
    assert {check.severity for check in stale.values()} == {dg.AssetCheckSeverity.ERROR}
    assert "not checked" in str(stale[person].description)

    # The candidate alone, in a run of its own, speaks of the tables as they are now.
    run_some(built, dg.AssetSelection.assets(candidate) | of_tables)
    assert shown(built)[person].passed
    assert shown(built)[person].metadata["checks"] == was.metadata["checks"]


def test_the_flags_of_a_mart_are_counted_on_its_asset_and_in_the_summary(built: Ward) -> None:
    shown = metadata(built, "marts", "gi_bleed__new_users")
    counted = {key: shown[f"{key} is true"] for key in ("both_drugs_on_index", "is_celecoxib")}
    assert counted == {"both_drugs_on_index": 1, "is_celecoxib": 31}
    assert shown["has_prior_gi_bleed is true"] == 1
    assert not [key for key in metadata(built, "omop", "person") if "is true" in key]
    said = StringIO()
    print_summary(built.config, Console(file=said, width=200))
    assert "of them with an earlier bleed: 1; on both drugs at once: 1\n" in said.getvalue()


def test_no_key_of_a_person_is_in_the_event_log(built: Ward) -> None:
    with duckdb.connect(str(built.paths.warehouse), read_only=True) as connection:
        rows = connection.execute("select person_id from omop.person").fetchall()
    log = b"".join(path.read_bytes() for path in (built.root / "home/dagster").rglob("*.db"))
    assert len(rows) == 61
    assert len(log) > 100_000
    assert not [person for (person,) in rows if str(person).encode() in log]


def test_the_ui_shows_every_asset_the_lineage_and_the_checks(built: Ward, chromium: Path) -> None:
    graph = built.definitions().resolve_asset_graph()
    expected = {key.to_user_string() for key in graph.get_all_asset_keys()}
    with dagster_ui(built.root / "ui.log") as address, browser_page(chromium) as page:
        page.set_default_timeout(90_000)

        page.goto(f"{address}/asset-groups")
        for group in ("extract", "staging", "intermediate", "omop", "marts", "release", "training"):
            page.get_by_text(group, exact=True).first.wait_for()
        assert set(page.evaluate(ASSETS)) == expected

        page.goto(f"{address}/assets/tiny/release?view=lineage&lineageScope=neighbors")
        for neighbour in ("candidate", "gi_bleed_risk"):
            page.get_by_text(neighbour).first.wait_for()

        page.goto(f"{address}/assets/tiny/omop/person?view=checks")
        for category in ("completeness", "conformance", "plausibility"):
            page.get_by_text(category, exact=True).first.wait_for()
        page.get_by_text("Succeeded").first.wait_for()

        page.goto(f"{address}/runs")
        page.get_by_text("tiny_build").first.wait_for()
        page.get_by_text("tiny_ingest").first.wait_for()


def test_a_build_that_breaks_seals_a_closed_release_that_names_the_step(built: Ward) -> None:
    (raw,) = built.paths.raw.glob("*/condition.parquet")
    whole = raw.read_bytes()
    raw.write_bytes(whole[: len(whole) // 2])
    try:
        assert not built.build()
    finally:
        raw.write_bytes(whole)
    broken = latest_release(built.paths)
    assert broken is not None
    assert broken.reasons_closed() == ["the build broke at step 'transform'"]
