"""Outcomes of all builds as one table; a characterisation is sealed beside the release."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow.csv
import pytest
from pyarrow import parquet

from pumasi.errors import ReleaseError
from pumasi.quality import Outcome
from pumasi.quality.characterisation import FILE
from pumasi.release import last_characterised, latest_release, verify_release
from pumasi.release.history import history, write_history
from pumasi.release.purge import purge_releases
from pumasi.release.release import characterisation_file
from tests.release.tiny import NOON, TinySite, failed, passed


def shares(violations: int) -> Outcome:
    values = {"violations": violations, "denominator": 10_000, "threshold": 0.05}
    return Outcome(**{**passed("person.has_a_name").__dict__, **values})


def characterised(site: TinySite, text: str = "counts", run_id: str = "run-1") -> None:
    site.write(run_id)
    (site.paths.candidate / FILE).write_text(text)


def test_a_row_is_a_seal_and_a_check(site: TinySite) -> None:
    site.seal(passed())
    site.seal(passed(), failed(), sealed_at=NOON + timedelta(days=1))
    table = history(site.paths).table()
    rows = table.select(["seal", "check", "status", "violations", "share"]).to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        (1, "person.person_id_is_unique", "passed", 0, 0.0),
        (2, "person.person_id_is_unique", "passed", 0, 0.0),
        (2, "person.birth_year_is_plausible", "failed", 9, 9 / 40),
    ]


def test_the_history_of_an_earlier_seal_ends_with_it(site: TinySite) -> None:
    site.seal(passed())
    site.seal(failed())
    assert [seal.number for seal in history(site.paths, through=1).seals] == [1]


def test_a_damaged_seal_is_named_and_left_out(site: TinySite) -> None:
    release = site.seal(passed())
    site.seal(passed())
    (release.folder / "seals" / "000001.json").write_text("{}")
    past = history(site.paths)
    assert past.damaged == (1,)
    assert [seal.number for seal in past.seals] == [2]


def test_what_moves_in_the_last_build_is_a_trend(site: TinySite) -> None:
    for violations in (100, 104, 97, 180):
        site.seal(shares(violations))
    (trend,) = history(site.paths).trends
    assert (trend.check, trend.shares[-1]) == ("person.has_a_name", 0.018)


def test_it_is_written_as_its_name_says(site: TinySite, tmp_path: Path) -> None:
    site.seal(passed())
    table = history(site.paths).table()
    write_history(table, tmp_path / "all.parquet")
    assert parquet.read_table(tmp_path / "all.parquet").equals(table)
    write_history(table, tmp_path / "all.csv")
    assert pyarrow.csv.read_csv(tmp_path / "all.csv").num_rows == 1
    with pytest.raises(ReleaseError, match=r"all\.txt: a history is written as \.parquet or \.csv"):
        write_history(table, tmp_path / "all.txt")


def test_a_characterisation_is_sealed_beside_the_release_and_is_no_part_of_its_id(
    site: TinySite,
) -> None:
    plain = site.seal()
    characterised(site)
    release = site.seal_written()
    assert release.id == plain.id
    assert plain.characterisation() is None
    file = release.characterisation()
    assert file is not None
    assert file.read_text() == "counts"
    found = last_characterised(site.paths)
    assert found is not None
    assert found.seal.number == 2


def test_a_build_without_one_is_passed_over_for_the_one_before(site: TinySite) -> None:
    assert last_characterised(site.paths) is None
    characterised(site)
    site.seal_written()
    site.seal()
    found = last_characterised(site.paths)
    assert found is not None
    assert found.seal.number == 1


def test_a_changed_characterisation_is_found_and_compared_with_nothing(site: TinySite) -> None:
    characterised(site)
    release = site.seal_written()
    characterisation_file(release.folder, 1).write_text("other")
    with pytest.raises(ReleaseError, match=r"000001\.characterisation\.parquet is not what was"):
        release.characterisation()
    with pytest.raises(ReleaseError, match="is not what was sealed"):
        verify_release(site.paths, release.id)
    assert last_characterised(site.paths) is None


def test_a_withdrawal_takes_the_counts_away_with_the_tables(site: TinySite) -> None:
    characterised(site)
    release = site.seal_written()
    assert purge_releases(site.paths, {0}, NOON) == [release.id]
    assert not characterisation_file(release.folder, 1).exists()
    assert release.characterisation() is None
    assert last_characterised(site.paths) is None
    latest = latest_release(site.paths)
    assert latest is not None
    assert latest.is_purged
