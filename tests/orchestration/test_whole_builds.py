"""A release is made of one whole build: what is stale, mixed or broken is never sealed open."""

import os
import subprocess
from collections.abc import Sequence

import dagster as dg
import pytest

from orchestration.site.transform import dbt_arguments, dbt_program
from pumasi.config import project_root
from pumasi.errors import ReleaseError
from pumasi.release import latest_release
from tests.orchestration.conftest import Ward

pytestmark = pytest.mark.slow


def materialise(ward: Ward, assets: Sequence[str]) -> str:
    """Materialise the assets by hand, as in the UI; the message of what failed, "" if nothing."""
    job = ward.definitions().resolve_implicit_global_asset_job_def()
    keys = [dg.AssetKey(["tiny", *asset.split("/")]) for asset in assets]
    done = job.execute_in_process(
        instance=ward.instance, asset_selection=keys, raise_on_error=False
    )
    errors = [e.step_failure_data.error for e in done.all_events if e.is_step_failure]
    return " ".join((error.cause or error).message for error in errors if error)


def reasons_closed(ward: Ward) -> list[str]:
    """Why the latest release is closed; nothing if it is open."""
    release = latest_release(ward.paths)
    assert release is not None
    return release.reasons_closed()


def test_a_candidate_that_was_sealed_is_not_sealed_again_by_hand(built: Ward) -> None:
    assert reasons_closed(built) == []

    message = materialise(built, ["release"])

    assert "was sealed before, as seal 1: run the build again" in message
    assert reasons_closed(built) == ["the build broke at step 'release'"]


def test_after_a_transform_of_some_tables_no_candidate_is_made(built: Ward) -> None:
    materialise(built, ["omop/person"])

    message = materialise(built, ["candidate"])

    assert "the last transform did not end, or made some of the tables only" in message
    assert reasons_closed(built) == ["the build broke at step 'candidate'"]
    assert not built.paths.candidate.exists()


def test_after_dbt_by_hand_no_candidate_is_made(built: Ward) -> None:
    subprocess.run(
        [
            dbt_program(),
            "--quiet",
            "run",
            "-s",
            "person",
            *dbt_arguments(built.config, built.paths.dbt_target),
        ],
        cwd=project_root() / "dbt_project",
        env={**os.environ, "PUMASI_SITE": "tiny"},
        check=True,
    )

    message = materialise(built, ["candidate"])

    assert "dbt has written to the warehouse since the transform" in message
    assert reasons_closed(built) == ["the build broke at step 'candidate'"]


def test_the_candidate_and_release_steps_can_be_run_again_by_hand(built: Ward) -> None:
    assert materialise(built, ["candidate"]) == ""
    assert materialise(built, ["release"]) == ""

    release = latest_release(built.paths)
    assert release is not None
    assert (release.seal.number, release.reasons_closed()) == (2, [])


def test_a_vocabulary_that_is_gone_closes_the_site(built: Ward) -> None:
    vocabulary = built.root / "vocabulary"
    vocabulary.rename(built.root / "elsewhere")
    try:
        assert not built.build()
    finally:
        (built.root / "elsewhere").rename(vocabulary)

    assert reasons_closed(built) == ["the build broke at step 'vocabulary'"]


def test_a_broken_build_that_can_t_be_sealed_closes_the_site_all_the_same(built: Ward) -> None:
    lock = built.paths.releases / ".lock"
    lock.unlink()
    lock.mkdir()  # no file can be opened there: as on a disk that takes none

    message = materialise(built, ["release"])

    assert "the release can't be written" in message
    with pytest.raises(ReleaseError, match="site tiny is closed: the note of its latest release"):
        latest_release(built.paths)
