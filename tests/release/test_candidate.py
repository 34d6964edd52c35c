"""The candidate: which tables it holds, how they are sorted, and what happens when it can't be."""

from __future__ import annotations

import duckdb
import pytest

from pumasi.errors import ReleaseError
from pumasi.release import read_candidate
from tests.release.tiny import TinySite


def rows(site: TinySite, table: str) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        return connection.read_parquet(str(site.paths.candidate / f"{table}.parquet")).fetchall()


def test_it_holds_omop_and_marts_without_their_steps_the_vocabulary_and_other_layers(
    site: TinySite,
) -> None:
    site.write()

    assert tuple(read_candidate(site.paths).tables) == (
        "asthma__cohort",
        "condition_occurrence",
        "person",
    )
    assert {path.name for path in site.paths.candidate.iterdir()} == {
        "asthma__cohort.parquet",
        "candidate.json",
        "condition_occurrence.parquet",
        "deliveries.parquet",
        "person.parquet",
        "read_counts.parquet",
        "reference_losses.parquet",
        "row_fates.parquet",
    }


def test_rows_are_sorted_by_person_and_then_by_the_first_column(site: TinySite) -> None:
    site.write()

    persons = [row[0] for row in rows(site, "person")]
    conditions = [(row[1], row[0]) for row in rows(site, "condition_occurrence")]
    assert len(persons) == 40 and persons == sorted(persons)  # type: ignore[type-var]
    assert len(conditions) == 200 and conditions == sorted(conditions)  # type: ignore[type-var]


def test_files_are_zstd_parquet(site: TinySite) -> None:
    site.write()

    with duckdb.connect() as connection:
        found = connection.execute(
            "select distinct compression from parquet_metadata($file)",
            {"file": str(site.paths.candidate / "person.parquet")},
        ).fetchall()
    assert found == [("ZSTD",)]


def test_fates_are_counts_and_read_counts_are_those_of_the_deliveries_of_the_build(
    site: TinySite,
) -> None:
    site.write()

    assert rows(site, "row_fates") == [
        ("d1", "person", "duplicate", "same_content", 2),
        ("d1", "person", "in_omop", None, 40),
    ]
    assert rows(site, "read_counts") == [("d1", "person", 43, 42, 1, 0, 0)]


def test_a_delivery_without_read_counts_is_named(site: TinySite) -> None:
    (site.paths.raw / "d1" / "read_counts.parquet").unlink()

    with pytest.raises(ReleaseError, match=r"no read_counts\.parquet of delivery d1: pull and"):
        site.write()


def test_a_warehouse_without_persons_is_refused(site: TinySite) -> None:
    site.build("drop table omop.person cascade")

    with pytest.raises(ReleaseError, match=r"no table omop\.person: run `dbt build`"):
        site.write()


def test_a_warehouse_without_accounting_is_refused_and_the_old_candidate_stays(
    site: TinySite,
) -> None:
    site.write("run-1")
    site.build("drop table intermediate.int_row_fates")

    with pytest.raises(ReleaseError, match="int_row_fates does not exist") as caught:
        site.write("run-2")
    assert "the one before is as it was" in str(caught.value)
    assert read_candidate(site.paths).run_id == "run-1"


def test_an_error_of_the_engine_does_not_repeat_a_value(site: TinySite) -> None:
    site.build(
        "create view marts.bad as select cast(condition_source_value as integer) as n "
        "from omop.condition_occurrence"
    )

    with pytest.raises(ReleaseError) as caught:
        site.write()
    assert "ConversionException" in str(caught.value)
    assert "cough" not in str(caught.value)


def test_a_new_candidate_takes_the_place_of_the_old_one(site: TinySite) -> None:
    site.write("run-1")
    site.build("drop table marts.asthma__cohort")
    site.write("run-2")

    candidate = read_candidate(site.paths)
    assert candidate.run_id == "run-2"
    assert tuple(candidate.tables) == ("condition_occurrence", "person")
    assert not (site.paths.candidate / "asthma__cohort.parquet").exists()
    assert [path.name for path in site.paths.root.glob(".candidate*")] == []


def test_no_candidate_says_what_to_run(site: TinySite) -> None:
    with pytest.raises(ReleaseError, match="no complete candidate at tiny/candidate: run the"):
        read_candidate(site.paths)
