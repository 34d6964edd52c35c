"""Opening: the latest release, through the gate, and only what was sealed."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from pumasi.errors import ClosedForPurposeError, GateClosedError, ReleaseError
from pumasi.quality import Need, Purpose
from pumasi.release import (
    Provenance,
    Release,
    close_unsealed,
    latest_release,
    open_release,
    seal_broken,
    verify_release,
)
from tests.release.test_seal import change_table_and_manifest, flip_a_byte
from tests.release.tiny import NOON, TinySite, failed, passed

TRAINING = Purpose("training of gi_bleed_risk")


def opened(site: TinySite, purpose: Purpose = TRAINING) -> Release:
    return open_release("tiny", purpose, NOON + timedelta(days=1), site.home)


def test_an_open_release_is_read_table_by_table(site: TinySite) -> None:
    sealed = site.seal()
    release = opened(site)

    assert release == sealed
    with duckdb.connect() as connection:
        row = release.read("person", connection).aggregate("count(*), min(year_of_birth)")
        assert row.fetchall() == [(40, 1950)]


def test_nothing_sealed_is_closed(site: TinySite) -> None:
    assert latest_release(site.paths) is None
    with pytest.raises(
        GateClosedError,
        match="tiny is closed for training of gi_bleed_risk: no release has been sealed; build",
    ):
        opened(site)


def test_every_reason_is_in_the_message(site: TinySite) -> None:
    release = site.seal(
        failed("person.birth_year_is_plausible"), failed("death.date_is_not_before_birth")
    )
    purpose = Purpose("study", needs=(Need("measurement.has_a_value"),))

    with pytest.raises(GateClosedError) as caught:
        opened(site, purpose)
    assert str(caught.value) == (
        f"site tiny is closed for study; release {release.id} (seal 1) is the latest and no older "
        "one takes its place:\n"
        "- person.birth_year_is_plausible: violated by 9 of 40 (22.50%); allowed 0.00%\n"
        "- death.date_is_not_before_birth: violated by 9 of 40 (22.50%); allowed 0.00%\n"
        "- study needs measurement.has_a_value, which was not run"
    )


def test_closed_for_one_purpose_is_another_error_than_closed_for_all(site: TinySite) -> None:
    site.seal(passed())
    study = Purpose("study", needs=(Need("measurement.has_a_value"),))
    opened(site)
    with pytest.raises(ClosedForPurposeError, match="study needs measurement"):
        opened(site, study)
    with pytest.raises(GateClosedError, match=r"study needs .*\n- it was sealed at") as caught:
        open_release("tiny", study, NOON - timedelta(seconds=1), site.home)
    assert not isinstance(caught.value, ClosedForPurposeError)
    site.seal(failed(), run_id="run-2")
    with pytest.raises(GateClosedError, match="study needs measurement") as caught:
        opened(site, study)
    assert not isinstance(caught.value, ClosedForPurposeError)


def test_an_older_open_release_does_not_take_the_place_of_a_closed_one(site: TinySite) -> None:
    site.seal(passed())
    opened(site)
    site.build("delete from omop.person where year_of_birth = 1960")
    site.seal(failed(), run_id="run-2")

    with pytest.raises(GateClosedError, match="no older one takes its place"):
        opened(site)


def test_an_older_open_release_does_not_take_the_place_of_a_broken_build(site: TinySite) -> None:
    site.seal(passed())
    seal_broken(
        site.paths, "read", "DeliveryError", Provenance("r"), sealed_at=NOON, transformation="t1"
    )

    with pytest.raises(GateClosedError, match="the build broke at step 'read'"):
        opened(site)


def test_an_older_open_release_does_not_take_the_place_of_one_that_was_removed(
    site: TinySite,
) -> None:
    site.seal(passed())
    site.build("delete from omop.person where year_of_birth = 1960")
    shutil.rmtree(site.seal(failed(), run_id="run-2").folder)

    with pytest.raises(ReleaseError, match="seal 2, the latest of site tiny, is gone and an older"):
        opened(site)
    site.build()
    assert site.seal(run_id="run-3").seal.number == 3
    assert opened(site).seal.number == 3


def test_content_that_failed_opens_again_when_it_is_sealed_with_good_outcomes(
    site: TinySite,
) -> None:
    site.seal(failed())
    site.seal(passed(), run_id="run-2")

    assert opened(site).seal.number == 2


def test_what_was_sealed_later_is_not_open_at_an_earlier_time(site: TinySite) -> None:
    site.seal()

    with pytest.raises(GateClosedError, match="it was sealed at 2026-03-01 12:00:00"):
        open_release("tiny", TRAINING, NOON - timedelta(seconds=1), site.home)


def test_one_changed_byte_of_a_table_makes_reading_it_fail(site: TinySite) -> None:
    site.seal()
    release = opened(site)
    flip_a_byte(release.folder / "tables" / "person.parquet")

    with pytest.raises(ReleaseError, match=f"release {release.id}: table 'person' is not what was"):
        release.table("person")
    assert release.table("condition_occurrence").is_file()


def test_a_table_that_is_not_there_is_named_with_those_that_are(site: TinySite) -> None:
    site.seal()
    release = opened(site)
    (release.folder / "tables" / "person.parquet").unlink()

    with pytest.raises(ReleaseError, match="the file of table 'person' is gone"):
        release.table("person")
    with pytest.raises(ReleaseError, match="no table 'persons'; it has: asthma__cohort, condition"):
        release.table("persons")


def test_a_changed_manifest_makes_opening_fail(site: TinySite) -> None:
    manifest = site.seal().folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"rows": 40', '"rows": 41'))

    with pytest.raises(ReleaseError, match=r"seal 000001: manifest\.json is not what was sealed"):
        opened(site)


def test_a_hospital_with_a_key_sees_a_changed_outcome(site: TinySite) -> None:
    give_key(site)
    release = site.seal(failed())
    edit_seal(release, lambda signed: signed["seal"]["outcomes"][0].update(status="passed"))

    with pytest.raises(ReleaseError, match="not signed with this site's key, or changed since"):
        opened(site)


def test_a_hospital_with_a_key_takes_no_unsigned_seal(site: TinySite) -> None:
    release = site.seal()
    opened(site)
    give_key(site)

    with pytest.raises(ReleaseError, match=f"release {release.id}, seal 000001: the seal is not s"):
        verify_release(site.paths, release.id)
    with pytest.raises(ReleaseError, match=r"latest\.json is not signed with this site's key"):
        opened(site)


def test_taking_the_latest_release_and_its_note_away_opens_no_older_one(site: TinySite) -> None:
    give_key(site)
    site.seal(passed())
    older = (site.paths.releases / "latest.json").read_bytes()
    site.build("delete from omop.person where year_of_birth = 1960")
    shutil.rmtree(site.seal(failed(), run_id="run-2").folder)

    (site.paths.releases / "latest.json").unlink()
    with pytest.raises(ReleaseError, match=r"latest release, releases/latest\.json, is gone"):
        opened(site)
    forged = older.replace(b'"number": 1', b'"number": 0')
    assert forged != older
    (site.paths.releases / "latest.json").write_bytes(forged)
    with pytest.raises(ReleaseError, match="not signed with this site's key, or changed since"):
        opened(site)


def test_a_site_that_is_closed_without_a_seal_opens_with_the_next_one(site: TinySite) -> None:
    site.seal(passed())
    close_unsealed(site.paths)
    with pytest.raises(ReleaseError, match=r"site tiny is closed: .* build again"):
        opened(site)
    assert site.seal(run_id="run-2").seal.number == 2
    assert opened(site).seal.number == 2


def test_rows_that_are_not_those_of_the_id_are_found_even_if_everything_else_fits(
    site: TinySite,
) -> None:
    release = site.seal()
    change_table_and_manifest(release, "person")
    manifest = (release.folder / "manifest.json").read_bytes()
    sealed_as = hashlib.sha256(manifest).hexdigest()
    edit_seal(release, lambda signed: signed["seal"].update(manifest_sha256=sealed_as))

    with pytest.raises(ReleaseError, match=f"release {release.id}: table 'person' has other rows"):
        verify_release(site.paths, release.id)


def test_a_signed_seal_is_not_taken_without_the_key_or_with_another(site: TinySite) -> None:
    give_key(site)
    site.seal()
    assert opened(site).seal.number == 1
    site.paths.key.write_bytes(b"another")
    with pytest.raises(ReleaseError, match="not signed with this site's key"):
        opened(site)
    site.paths.key.unlink()

    with pytest.raises(ReleaseError, match="signed, but the site's key is gone"):
        opened(site)


def test_a_seal_of_another_release_is_not_taken(site: TinySite) -> None:
    first = site.seal()
    site.build("drop table marts.asthma__cohort")
    second = site.seal(failed(), run_id="run-2")
    shutil.copy(first.folder / "seals" / "000001.json", second.folder / "seals" / "000002.json")

    with pytest.raises(ReleaseError, match="seal 000002"):
        opened(site)


@pytest.mark.parametrize("text", ["", "[]", '{"seal": {}, "hmac": null}'])
def test_a_seal_that_is_no_seal_is_not_taken(site: TinySite, text: str) -> None:
    (site.seal().folder / "seals" / "000001.json").write_text(text)

    with pytest.raises(ReleaseError, match="seal 000001"):
        opened(site)


def test_verifying_lists_everything_that_is_wrong(site: TinySite) -> None:
    release = site.seal()
    assert verify_release(site.paths, release.id) == release
    flip_a_byte(release.folder / "tables" / "person.parquet")
    (release.folder / "tables" / "condition_occurrence.parquet").unlink()
    (release.folder / "tables" / "stray.parquet").touch()

    with pytest.raises(ReleaseError) as caught:
        verify_release(site.paths, release.id)
    problems = str(caught.value).splitlines()
    assert [problem.partition(". ")[0] for problem in problems] == [
        f"release {release.id}: the file of table 'condition_occurrence' is gone",
        f"release {release.id}: table 'person' is not what was sealed",
        f"release {release.id}: not sealed with it: stray.parquet",
    ]


def test_a_release_that_was_never_sealed_can_t_be_verified(site: TinySite) -> None:
    with pytest.raises(ReleaseError, match="site tiny has no sealed release 'abc'"):
        verify_release(site.paths, "abc")


def give_key(site: TinySite) -> None:
    site.paths.key.parent.mkdir(exist_ok=True)
    site.paths.key.write_bytes(b"k" * 32)


def edit_seal(release: Release, edit: object) -> None:
    path: Path = release.folder / "seals" / f"{release.seal.number:06d}.json"
    signed = json.loads(path.read_text())
    edit(signed)  # type: ignore[operator]
    path.write_text(json.dumps(signed))
