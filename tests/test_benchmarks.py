"""The benchmarks run end to end, and a bigger extract holds what the small one does, N times."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from benchmarks import datasets
from benchmarks.datasets import PACKAGED, add_site
from benchmarks.replica import replicate, write_changes
from benchmarks.simulated import FORMATS, simulated
from pumasi.config import get_site, home_folder, project_root
from pumasi.extract import discover


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=project_root(),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_smallest_data_set_is_measured_and_its_tables_are_kept(shared_data: Path) -> None:
    done = bench("--only", "synthea_csv")
    assert done.returncode == 0, done.stdout + done.stderr
    (kept,) = (home_folder() / "bench").iterdir()  # the temporary home is gone
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in kept.read_text().splitlines()
        if line.startswith("| synthea_csv")
    ]
    times, peaks = rows
    assert times[1] == "27"
    assert int(times[2].replace(",", "")) > 0
    assert times[3] == "355", "9,600 source rows of 27 persons"
    assert len(times) == 11
    assert all(int(cell.removesuffix(" MB")) > 0 for cell in peaks[1:5])
    assert len(peaks) == 7
    assert str(kept.name) in done.stdout


def test_simulated_hospitals_have_the_settings_of_those_of_the_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "network").mkdir()
    monkeypatch.setenv("PUMASI_NETWORK", str(tmp_path / "network"))
    said: list[str] = []
    found = {}
    for data_set, took in simulated(100, FORMATS, tmp_path, said.append):
        add_site(data_set)
        site = get_site(data_set.name)
        deliveries = len(list(discover(site)))
        found[data_set.name] = (site.format, site.vocabulary.source, site.real, deliveries)
        assert took.seconds > 0
    assert found == {
        "bada_100": ("omop_cdm", "delivery", False, 1),
        "haneul_100": ("hospital_csv", "project", False, 1),
        "sup_100": ("fhir_r4", "project", False, 1),
    }
    assert said == [f"{name}: simulating" for name in found]


@pytest.mark.parametrize("arguments", [("pull",), ("pul", "seconds"), ()])
def test_a_step_asked_for_wrongly_says_how(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.step", *arguments],
        cwd=project_root(),
        capture_output=True,
        text=True,
        check=False,
    )
    said = "usage: python -m benchmarks.step prepare|pull|dbt|checks|sealing FILE\n"
    assert (done.returncode, done.stderr) == (1, said)


def test_a_data_set_that_nobody_knows_is_refused_with_the_list() -> None:
    done = bench("--only", "nowhere")
    assert done.returncode == 2
    assert "no data set nowhere" in done.stderr
    assert "gibleed_package" in done.stderr


def test_without_the_shared_folder_only_the_package_is_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(datasets, "shared_folder", lambda: tmp_path / "none")
    assert [each.name for each in datasets.DATA_SETS if each.is_available()] == [PACKAGED.name]


def test_a_bigger_extract_has_persons_events_and_missing_visits_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "network").mkdir()
    monkeypatch.setenv("PUMASI_NETWORK", str(tmp_path / "network"))
    add_site(PACKAGED)
    big = tmp_path / "big"
    replicate(get_site(PACKAGED.name), 3, big)

    with duckdb.connect() as connection:
        count = connection.execute(
            f"select count(*), count(distinct person_id) from '{big}/person.parquet'"
        ).fetchone()
        dangling = connection.execute(
            f"select count(*) from '{big}/condition_occurrence.parquet' "
            "where visit_occurrence_id is not null and visit_occurrence_id not in "
            f"(select visit_occurrence_id from '{big}/visit_occurrence.parquet')"
        ).fetchone()
        single = connection.execute(f"select count(*) from '{big}/cdm_source.parquet'").fetchone()
    assert count == (3 * 2694, 3 * 2694)
    assert dangling == (3 * 64717,)
    assert single == (1,)


def test_a_second_delivery_has_the_events_of_some_persons_once_more_under_ids_of_their_own(
    tmp_path: Path,
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    with duckdb.connect() as connection:
        for part in range(2):
            events = (
                "select i as drug_exposure_id, i // 10 as person_id "
                f"from range({part * 50_000}, {(part + 1) * 50_000}) as ids(i)"
            )
            connection.execute(f"copy ({events}) to '{first}/drug_exposure_{part}.parquet'")
        connection.execute(
            f"copy (select i as person_id from range(10000) r(i)) to '{first}/person.parquet'"
        )
        write_changes(first, second, 0.01)
        rows, persons, smallest = connection.execute(
            "select count(*), count(distinct person_id), min(drug_exposure_id) "
            f"from '{second}/drug_exposure.parquet'"
        ).fetchall()[0]
    assert [file.name for file in second.iterdir()] == ["drug_exposure.parquet"]
    assert rows == 10 * persons, "all events of a person"
    assert 70 <= persons <= 130, "about a hundredth of 10,000: three standard deviations are 30"
    assert smallest > 99_999


def test_the_catalogue_is_measured_on_a_replica() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.catalogue", "--copies", "2"],
        cwd=project_root(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("5,388 persons: ")
