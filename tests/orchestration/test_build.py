"""What a build of a small hospital leaves in Dagster, in the UI, and on disk when it breaks."""

from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from rich.console import Console

from orchestration.summary import print_summary
from pumasi.release import latest_release
from tests.browser import browser_page, dagster_ui
from tests.hospital import BLEED, CELECOXIB, DICLOFENAC
from tests.orchestration.conftest import Ward, bleeding_hospital, enter, open_ward

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


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    """A hospital of 61 persons, built once for this module."""
    hospital = bleeding_hospital(60)
    hospital.add_person("both")
    hospital.add_condition(
        "both", BLEED, "2010-06-01", "2010-06-01", hospital.add_visit("both", "2010-06-01")
    )
    for drug in (CELECOXIB, DICLOFENAC):
        hospital.add_drug("both", drug, "2011-06-01")
    with pytest.MonkeyPatch.context() as monkeypatch:
        for ward in open_ward(tmp_path_factory.mktemp("ward"), monkeypatch):
            ward.deliver(hospital, "first", "2019-06-30")
            assert ward.build()
            yield ward


@pytest.fixture(autouse=True)
def inside(built: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test of this module is in that hospital."""
    enter(built.root, monkeypatch)


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
    assert "not trained, too few cases" in str(metadata(built, *MODEL.path[1:])["state"])


def test_row_counts_and_checks_are_on_the_assets(built: Ward) -> None:
    assert metadata(built, "omop", "person")["dagster/row_count"] == 61
    assert metadata(built, "raw")["rows quarantined"] == 0
    assert metadata(built, "release")["gate"] == "open"
    keys = built.definitions().resolve_asset_graph().asset_check_keys
    shown = {f"{key.asset_key.path[-1]}:{key.name}" for key in keys}
    assert {"person:conformance", "person:completeness", "release:gate_is_open"} <= shown
    records = built.instance.event_log_storage.get_latest_asset_check_execution_by_key(list(keys))
    assert set(records) == keys


def test_the_flags_of_a_mart_are_counted_on_its_asset_and_in_the_summary(built: Ward) -> None:
    shown = metadata(built, "marts", "gi_bleed__new_users")
    counted = {key: shown[f"{key} is true"] for key in ("both_drugs_on_index", "is_celecoxib")}
    assert counted == {"both_drugs_on_index": 1, "is_celecoxib": 31}
    assert shown["has_prior_gi_bleed is true"] == 1
    assert not [key for key in metadata(built, "omop", "person") if "is true" in key]
    said = StringIO()
    print_summary(built.config, Console(file=said, width=200), looked_for=True)
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
