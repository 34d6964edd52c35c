"""Pruning: which releases go, which stay, and how many bytes that frees."""

from __future__ import annotations

import json

import pytest

from pumasi.errors import ReleaseError
from pumasi.release import Release, latest_release, verify_release
from pumasi.release.prune import prune
from pumasi.release.seal import seal_files
from tests.release.tiny import TinySite


def releases(site: TinySite, count: int) -> list[Release]:
    """Seal that many releases of different content, the last of them the latest."""
    made = []
    for number in range(count):
        site.build(f"delete from omop.person where year_of_birth < {1950 + number}")
        made.append(site.seal(run_id=f"run-{number}"))
    return made


def size_of(*sealed: Release) -> int:
    return sum(path.stat().st_size for each in sealed for path in each.folder.rglob("*.*"))


def test_the_latest_stay_and_can_still_be_verified(site: TinySite) -> None:
    first, second, third, fourth = releases(site, 4)
    said = prune(site.paths, 2, dry_run=True)
    assert (said.gone, said.named) == ((first.id, second.id), ())
    assert said.bytes_freed == size_of(first, second)
    assert first.folder.exists()
    assert prune(site.paths, 2) == said
    assert sorted(seal_files(site.paths)) == [3, 4]
    assert latest_release(site.paths) == fourth
    for each in (third, fourth):
        assert verify_release(site.paths, each.id) == each
    assert not first.folder.exists()
    assert [path.name for path in site.paths.releases.glob(".*")] == [".lock"]
    assert prune(site.paths, 2).gone == ()


def test_content_that_was_sealed_again_counts_by_its_last_seal(site: TinySite) -> None:
    first, second = releases(site, 2)
    site.build()
    again = site.seal(run_id="again")
    assert again.id == first.id
    assert prune(site.paths, 1).gone == (second.id,)
    assert latest_release(site.paths) == again


def test_a_release_that_a_model_names_stays_unless_forced(site: TinySite) -> None:
    first, second, third = releases(site, 3)
    model = site.paths.models / "task" / "model.json"
    model.parent.mkdir(parents=True)
    model.write_text(json.dumps({"release": first.id}))
    said = prune(site.paths, 1)
    assert (said.gone, said.named) == ((second.id,), (first.id,))
    assert verify_release(site.paths, first.id) == first
    forced = prune(site.paths, 1, force=True)
    assert (forced.gone, forced.named) == ((first.id,), ())
    assert latest_release(site.paths) == third


def test_a_file_that_another_release_shares_frees_nothing(site: TinySite) -> None:
    first, second = releases(site, 2)
    shared = second.folder / "tables" / "shared.parquet"
    (first.folder / "tables" / "cohort.parquet").write_bytes(b"x" * 1000)
    before = prune(site.paths, 1, dry_run=True).bytes_freed
    shared.hardlink_to(first.folder / "tables" / "cohort.parquet")
    assert prune(site.paths, 1, dry_run=True).bytes_freed == before - 1000


def test_nothing_is_pruned_while_the_latest_seal_is_gone(site: TinySite) -> None:
    _, second = releases(site, 2)
    next((second.folder / "seals").iterdir()).unlink()
    with pytest.raises(ReleaseError, match="seal 2, the latest of site tiny, is gone"):
        prune(site.paths, 1)
    with pytest.raises(ReleaseError, match="at least the latest release stays"):
        prune(site.paths, 0)


def test_numbers_go_on_where_they_were(site: TinySite) -> None:
    releases(site, 3)
    prune(site.paths, 1)
    site.build()
    assert site.seal(run_id="next").seal.number == 4
