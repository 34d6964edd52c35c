"""What the demo says of a run is of that run, whatever an earlier one left in the home."""

from datetime import UTC, datetime
from io import StringIO

import dagster as dg
from rich.console import Console

from orchestration.demo import build_all
from orchestration.demo_network import beside_the_pool, hand_over
from orchestration.hub.models import key_of, learned
from pumasi.config import hub_folder
from pumasi.learn.tasks import NETWORK_TASKS
from tests.orchestration.conftest import Ward, bleeding_hospital
from tests.release.tiny import TinySite, failed

ASTHMA = NETWORK_TASKS[0]


def built_now(ward: Ward) -> str:
    """What the demo prints of a build of the hospital, which fails."""
    console = Console(file=StringIO(), width=120)
    assert not build_all([ward.config], console)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_a_build_that_failed_is_not_shown_with_the_release_of_an_earlier_one(ward: Ward) -> None:
    release = TinySite(ward.root / "home").seal(sealed_at=datetime.now(UTC))
    assert release.reasons_closed() == []
    ward.deliver(bleeding_hospital(3), "first", "2019-06-30")
    for file in (ward.root / "extract" / "first").glob("*.ndjson"):
        file.write_text("{\n")
    said = built_now(ward)
    assert "tiny_ingest" in said
    assert "│ tiny     │ fhir_r4 │" in said
    assert "│ build failed │ none" in said
    assert "open" not in said.partition("The demo network")[2]


def test_a_build_that_sealed_a_closed_release_is_shown_with_it(ward: Ward) -> None:
    # As one does that seals and is closed: the seal is newer than the start of the build.
    TinySite(ward.root / "home").seal(failed(), sealed_at=datetime(2100, 1, 1, tzinfo=UTC))
    said = built_now(ward)
    assert "│ closed │" in said
    assert "build failed" not in said


def test_a_task_that_was_not_learned_has_no_model_of_an_earlier_run(ward: Ward) -> None:
    folder = hub_folder() / "models" / ASTHMA.task.name
    folder.mkdir(parents=True)
    for run in ("earlier", "latest", "later"):
        (folder / f"{run}.json").write_text("{}")
    page = f"models/{ASTHMA.task.name}/latest.html"
    ward.instance.report_runless_asset_event(
        dg.AssetMaterialization(key_of(ASTHMA), metadata={"page": page})
    )
    assert learned(ASTHMA, ward.instance) == folder / "latest.json"
    for plan in NETWORK_TASKS:
        ward.instance.report_runless_asset_event(
            dg.AssetMaterialization(key_of(plan), metadata={"state": "not learned: too few"})
        )
    assert learned(ASTHMA, ward.instance) is None
    assert beside_the_pool(ASTHMA, ()) == f"{ASTHMA.task.name}: not learned: too few"
    said: list[str] = []
    hand_over([ward.config], said.append)
    assert said == [f"tiny: 0 models of the network judged, see {ward.paths.network_models}"]
    assert not ward.paths.network_models.exists()
