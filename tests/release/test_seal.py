"""Sealing: one id for one content, a rising number for every seal, and nothing half written."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from pumasi.config import project_root
from pumasi.errors import ReleaseError
from pumasi.release import Provenance, Release, latest_release, seal_broken, verify_release
from pumasi.release.files import sha256_of_file
from tests.release.tiny import NOON, TinySite, failed, passed


def test_a_seal_holds_what_was_built_checked_and_read(site: TinySite) -> None:
    release = site.seal(passed(), failed())

    record = json.loads((release.folder / "seals" / "000001.json").read_text())["seal"]
    assert record["sealed_at"] == "2026-03-01T12:00:00+00:00"
    assert record["provenance"] == {"run_id": "run-1", "versions": {"pumasi": "0.1.0"}}
    assert record["accounting"]["deliveries"][0]["extracted_through"] == "2020-12-31"
    assert record["accounting"]["reference_losses"] == [
        {
            "reference": "visit_occurrence",
            "rows_lost": 3,
            "rows_referring": 200,
            "table_name": "condition_occurrence",
        }
    ]
    assert release.outcomes == (passed(), failed())
    assert release.manifest.tables["person"].rows == 40
    assert release.tables == ("asthma__cohort", "condition_occurrence", "person")


def test_the_same_content_is_one_release_with_two_seals(site: TinySite) -> None:
    first = site.seal(run_id="run-1")
    manifest = (first.folder / "manifest.json").read_bytes()
    second = site.seal(failed(), run_id="run-2", sealed_at=NOON + timedelta(days=1))

    assert second.id == first.id
    assert (first.seal.number, second.seal.number) == (1, 2)
    assert [path.name for path in site.paths.releases.glob("[!.]*/")] == [first.id]
    assert (first.folder / "manifest.json").read_bytes() == manifest
    assert latest_release(site.paths) == second


def test_rows_in_another_order_are_the_same_release(site: TinySite) -> None:
    first = site.seal()
    site.build(
        "create or replace table omop.condition_occurrence as "
        "from omop.condition_occurrence order by md5(condition_occurrence_id::varchar)"
    )

    assert site.seal(run_id="run-2").id == first.id


def test_another_site_with_the_same_rows_has_the_same_id(site: TinySite, tmp_path: Path) -> None:
    other = TinySite(tmp_path / "elsewhere")

    assert other.seal(sealed_at=NOON + timedelta(hours=5)).id == site.seal().id


@pytest.mark.parametrize(
    "change",
    [
        "update omop.person set year_of_birth = 1901 where year_of_birth = 1951",
        "delete from omop.person where year_of_birth = 1951",
        "insert into omop.person from omop.person limit 1",
        "alter table omop.person rename gender_concept_id to sex_concept_id",
        "drop table marts.asthma__cohort",
    ],
)
def test_other_rows_are_another_release(site: TinySite, change: str) -> None:
    first = site.seal()
    site.build(change)

    assert site.seal(run_id="run-2").id != first.id


def test_another_delivery_with_the_same_rows_is_the_same_release(site: TinySite) -> None:
    first = site.seal()
    site.build("update intermediate.int_deliveries set as_of = date '2021-06-01'")
    second = site.seal(run_id="run-2")

    assert second.id == first.id
    assert second.seal.accounting["deliveries"][0]["as_of"] == "2021-06-01"
    assert first.seal.accounting["deliveries"][0]["as_of"] == "2021-01-01"


def test_numbers_rise_over_all_releases_of_the_site(site: TinySite) -> None:
    numbers = [site.seal().seal.number]
    site.build("drop table marts.asthma__cohort")
    numbers.append(site.seal(run_id="run-2").seal.number)
    numbers.append(_broken(site).seal.number)
    site.build()
    numbers.append(site.seal(run_id="run-4").seal.number)

    assert numbers == [1, 2, 3, 4]


def test_a_broken_build_seals_a_closed_release_that_names_the_step(site: TinySite) -> None:
    site.seal()
    broken = _broken(site)

    assert broken.tables == ()
    assert broken.reasons_closed() == ["the build broke at step 'transform'"]
    assert (broken.seal.error_class, broken.seal.broken_step) == ("DbtRuntimeError", "transform")
    assert latest_release(site.paths) == broken
    assert verify_release(site.paths, broken.id) == broken


def test_a_build_that_broke_before_there_was_anything_can_be_sealed(site: TinySite) -> None:
    (site.paths.vocabulary / "manifest.json").unlink()

    assert _broken(site).seal.number == 1


def test_a_candidate_of_another_run_is_not_sealed_with_these_outcomes(site: TinySite) -> None:
    site.write("run-2")

    with pytest.raises(
        ReleaseError, match="candidate was written by run run-2 and checked by run run-1: run the"
    ):
        site.seal_written(run_id="run-1")
    assert latest_release(site.paths) is None


def test_two_outcomes_of_one_name_are_refused(site: TinySite) -> None:
    with pytest.raises(ReleaseError, match=r"one name: person\.person_id_is_unique; rename"):
        site.seal(passed(), passed())


def test_a_candidate_that_changed_since_it_was_checked_is_not_sealed(site: TinySite) -> None:
    site.write("run-1")
    (site.paths.candidate / "person.parquet").write_bytes(b"PAR1")

    with pytest.raises(ReleaseError, match="table 'person' is not the one that was checked: run"):
        site.seal_written(run_id="run-1")


def test_a_time_without_zone_is_refused(site: TinySite) -> None:
    with pytest.raises(ReleaseError, match="sealed_at needs a time zone"):
        site.seal(sealed_at=NOON.replace(tzinfo=None))


def test_a_damaged_release_of_the_same_content_is_named_and_not_sealed_again(
    site: TinySite,
) -> None:
    release = site.seal()
    flip_a_byte(release.folder / "tables" / "person.parquet")

    with pytest.raises(ReleaseError, match=f"damaged: release {release.id}: table 'person' is n"):
        site.seal(run_id="run-2")


def test_a_new_candidate_leaves_the_sealed_files_alone(site: TinySite) -> None:
    release = site.seal()
    site.build("delete from omop.person")
    site.write("run-2")

    assert verify_release(site.paths, release.id) == release


def test_a_release_stays_readable_while_another_process_seals(site: TinySite) -> None:
    release = site.seal()
    site.build("delete from omop.person where year_of_birth < 1960")
    with duckdb.connect() as connection:
        file = {"file": str(release.table("condition_occurrence"))}
        reading = connection.execute("from read_parquet($file)", file)
        some = reading.fetchmany(10)
        subprocess.run(
            [sys.executable, "-c", SEAL_ONCE, str(site.home)], check=True, cwd=project_root()
        )
        rest = reading.fetchall()
        persons = release.read("person", duckdb.connect()).fetchall()

    latest = latest_release(site.paths)
    assert latest is not None and latest.id != release.id
    assert latest.manifest.tables["person"].rows == 30
    assert (len(some) + len(rest), len(persons)) == (200, 40)


def test_tables_changed_together_with_their_manifest_are_not_made_valid_by_a_new_seal(
    site: TinySite,
) -> None:
    site.paths.key.parent.mkdir(parents=True)
    site.paths.key.write_bytes(b"secret")
    release = site.seal()
    change_table_and_manifest(release, "person")

    with pytest.raises(ReleaseError, match=r"damaged: .* manifest\.json is not what was sealed"):
        site.seal(run_id="run-2")


def test_a_candidate_is_sealed_once(site: TinySite) -> None:
    site.seal()

    with pytest.raises(ReleaseError, match="candidate of run run-1 was sealed before, as seal 1"):
        site.seal_written()


def test_after_a_build_that_broke_the_candidate_of_an_earlier_one_is_not_sealed(
    site: TinySite,
) -> None:
    site.write()
    broken = _broken(site)

    with pytest.raises(ReleaseError, match="no complete candidate at tiny/candidate: run the"):
        site.seal_written()
    assert latest_release(site.paths) == broken


def test_of_processes_that_seal_at_once_one_does(site: TinySite) -> None:
    site.write("run-2")
    running = [
        subprocess.Popen(
            [sys.executable, "-c", SEAL_WRITTEN, str(site.home)],
            cwd=project_root(),
            stderr=subprocess.DEVNULL,
        )
        for _ in range(3)
    ]

    assert sorted(process.wait() for process in running) == [0, 1, 1]
    seals = sorted(path.stem for path in site.paths.releases.glob("*/seals/*.json"))
    assert seals == ["000001"]


def test_processes_that_seal_broken_builds_at_once_get_a_number_each(site: TinySite) -> None:
    running = [
        subprocess.Popen(
            [sys.executable, "-c", SEAL_BROKEN, str(site.home), step], cwd=project_root()
        )
        for step in ("transform", "candidate", "release")
    ]

    assert [process.wait() for process in running] == [0, 0, 0]
    seals = sorted(path.stem for path in site.paths.releases.glob("*/seals/*.json"))
    assert seals == ["000001", "000002", "000003"]


SEAL_ONCE = """
import sys
from pathlib import Path
from tests.release.tiny import TinySite
TinySite.at(Path(sys.argv[1])).seal(run_id="run-2")
"""
SEAL_BROKEN = """
import sys
from pathlib import Path
from pumasi.release import Provenance, seal_broken
from tests.release.tiny import NOON, TinySite
paths = TinySite.at(Path(sys.argv[1])).paths
seal_broken(paths, sys.argv[2], "Error", Provenance("r"), sealed_at=NOON, transformation="t1")
"""
SEAL_WRITTEN = """
import sys
from pathlib import Path
from tests.release.tiny import TinySite
TinySite.at(Path(sys.argv[1])).seal_written(run_id="run-2")
"""


def change_table_and_manifest(release: Release, name: str) -> None:
    """Put another table in the place of one, and make the manifest fit it."""
    table, manifest = release.table(name), release.folder / "manifest.json"
    table.unlink()  # it has a second name in the candidate
    with duckdb.connect() as connection:
        connection.execute(f"copy (select 1 as person_id) to '{table}' (format parquet)")
    entry, values = release.manifest.tables[name], json.loads(manifest.read_text())
    values["tables"][name] |= {"sha256": sha256_of_file(table), "bytes": table.stat().st_size}
    assert values["tables"][name]["sha256"] != entry.sha256
    manifest.write_text(json.dumps(values))


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _broken(site: TinySite) -> Release:
    return seal_broken(
        site.paths,
        "transform",
        "DbtRuntimeError",
        Provenance("run-3"),
        sealed_at=datetime(2026, 3, 2, tzinfo=UTC),
        transformation="t1",
    )
