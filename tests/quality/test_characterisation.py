"""The counts of a tiny hospital, by hand; no order of rows changes them; what breaks says so."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pumasi.errors import QualityError
from pumasi.quality.catalogue import Cdm
from pumasi.quality.characterisation import (
    cdm_of_files,
    characterise,
    read_characterisation,
    write_characterisation,
)
from tests.quality.catalogue.tiny import TODAY, tiny_cdm
from tests.quality.record import CREATININE, MG_DL, ask, record

WOMAN, MAN = 8532, 8507
PERSONS = [
    {"person_id": 1, "gender_concept_id": WOMAN, "year_of_birth": 1950},
    {"person_id": 2, "gender_concept_id": MAN, "year_of_birth": 1950},
    {"person_id": 3, "gender_concept_id": WOMAN, "year_of_birth": 1950},
]


def period(person: int, start: str, end: str) -> dict[str, Any]:
    return {
        "person_id": person,
        "observation_period_start_date": date.fromisoformat(start),
        "observation_period_end_date": date.fromisoformat(end),
    }


def visit(person: int, start: str, end: str | None, concept: int = 9201) -> dict[str, Any]:
    return {
        "person_id": person,
        "visit_concept_id": concept,
        "visit_start_date": date.fromisoformat(start),
        "visit_end_date": None if end is None else date.fromisoformat(end),
    }


def result(person: int, day: str, value: float | None, unit: int | None = MG_DL) -> dict[str, Any]:
    return {
        "person_id": person,
        "measurement_concept_id": CREATININE,
        "measurement_date": date.fromisoformat(day),
        "value_as_number": value,
        "unit_concept_id": unit,
    }


def rows(cdm: Cdm, analysis: str, *columns: str) -> list[tuple[Any, ...]]:
    return ask(
        characterise(cdm),
        f"select {', '.join(columns)} from found where analysis = '{analysis}' order by all",
    )


def test_persons_are_counted_by_year_of_birth_and_sex() -> None:
    found = rows(
        tiny_cdm({"person": PERSONS}),
        "persons_by_birth_year_and_sex",
        *("concept_id", "lower", "records", "persons"),
    )
    assert found == [(MAN, 1950.0, 1, 1), (WOMAN, 1950.0, 2, 2)]


def test_a_person_is_observed_in_every_month_of_a_period_and_in_a_shared_month_once() -> None:
    cdm = tiny_cdm(
        {
            "person": PERSONS,
            "observation_period": [
                period(1, "2020-01-10", "2020-02-05"),
                period(1, "2020-02-20", "2020-03-31"),
                period(2, "2020-03-01", "2020-03-31"),
                period(3, "2020-05-01", "2020-04-01"),
            ],
        }
    )
    months = rows(cdm, "persons_observed", "month", "persons")
    assert months == [(date(2020, 1, 1), 1), (date(2020, 2, 1), 1), (date(2020, 3, 1), 2)]
    assert rows(cdm, "observation_years", "lower", "records", "persons") == [(0.0, 3, 2)]


@pytest.mark.parametrize(
    ("end", "month"), [("2020-03-31", date(2020, 3, 1)), ("2020-03-30", date(2020, 2, 1))]
)
def test_a_month_is_complete_when_its_last_day_is_observed(end: str, month: date) -> None:
    cdm = tiny_cdm({"person": PERSONS, "observation_period": [period(1, "2020-01-01", end)]})
    assert rows(cdm, "last_complete_month", "month") == [(month,)]


def test_records_are_counted_by_month_concept_and_person() -> None:
    visits = [
        visit(1, "2020-01-05", "2020-01-08"),
        visit(1, "2020-01-20", "2020-01-20", concept=9202),
        visit(1, "2020-02-01", None),
        visit(2, "2020-02-02", "2020-02-01"),
    ]
    cdm = tiny_cdm({"person": PERSONS, "visit_occurrence": visits})
    assert rows(cdm, "records", "records", "persons") == [
        *[(0, 0)] * 10,
        (4, 2),
    ]
    assert rows(cdm, "records_by_month", "month", "records", "persons") == [
        (date(2020, 1, 1), 2, 1),
        (date(2020, 2, 1), 2, 2),
    ]
    assert rows(cdm, "records_by_concept", "concept_id", "records", "persons") == [
        (9201, 3, 2),
        (9202, 1, 1),
    ]
    per_person = ask(
        characterise(cdm),
        "select lower, upper, records, persons from found where analysis = 'records_per_person' "
        "and cdm_table = 'visit_occurrence' order by all",
    )
    assert per_person == [(0.0, 1.0, 0, 1), (1.0, 2.0, 1, 1), (2.0, 4.0, 3, 1)]
    stays = rows(cdm, "length_of_stay", "concept_id", "lower", "records")
    assert stays == [(9201, 3.0, 1), (9201, None, 2), (9202, 0.0, 1)]


def test_values_are_counted_at_three_significant_digits_by_test_and_unit() -> None:
    results = [
        result(1, "2020-01-01", 0.8414),
        result(1, "2020-01-02", 0.841),
        result(2, "2020-01-02", 0.8406),
        result(2, "2020-01-02", 1234.0),
        result(2, "2020-01-02", 0.0),
        result(2, "2020-01-02", -2.346),
        result(3, "2020-01-02", 74.0, unit=None),
        result(3, "2020-01-02", None),
    ]
    concepts = [{"concept_id": MG_DL, "concept_name": "mg/dL"}]
    cdm = tiny_cdm({"person": PERSONS, "measurement": results, "concept": concepts})
    assert rows(cdm, "values", "unit_concept_id", "unit_name", "lower", "records", "persons") == [
        (0, None, 74.0, 1, 1),
        (MG_DL, "mg/dL", -2.35, 1, 1),
        (MG_DL, "mg/dL", 0.0, 1, 1),
        (MG_DL, "mg/dL", 0.841, 3, 2),
        (MG_DL, "mg/dL", 1230.0, 1, 1),
    ]
    assert rows(cdm, "tests", "unit_concept_id", "records", "persons") == [
        (0, 1, 1),
        (MG_DL, 6, 2),
    ]


def test_bars_hold_every_result_and_the_newest_three_months_are_counted_apart() -> None:
    cdm = record(months=12)
    total = rows(cdm, "value_histogram", "sum(records)", "count(*)", "min(persons)")
    assert total[0][0] == 200 * 12
    assert total[0][1] == 24
    assert rows(cdm, "recent_values", "sum(records)") == [(200 * 3,)]


def test_a_code_without_concept_is_listed_only_if_ten_persons_have_it() -> None:
    cdm = record(months=1, persons=30)
    cdm.connection.execute(
        "update condition_occurrence set condition_concept_id = 0, condition_source_value = "
        "case when person_id < 10 then 'ten' else 'nine ' end where person_id < 19"
    )
    assert rows(cdm, "unmapped_codes", "source_code", "records", "persons") == [("ten", 10, 10)]


def test_a_day_that_is_no_day_counts_in_no_month() -> None:
    cdm = tiny_cdm(
        {
            "person": PERSONS,
            "death": [{"person_id": 1, "death_date": "soon"}],
        },
        types={"death.death_date": "varchar"},
    )
    assert rows(cdm, "records_by_month", "month", "records") == [(None, 1)]


def test_what_is_not_there_has_no_row() -> None:
    cdm = tiny_cdm(
        {"person": PERSONS},
        without=("measurement", "observation_period", "concept", "visit_occurrence.visit_end_date"),
    )
    tables = {row[0] for row in ask(characterise(cdm), "select distinct cdm_table from found")}
    assert not tables & {"measurement", "observation_period"}
    assert "visit_occurrence" in tables


def test_without_persons_there_is_nothing_to_characterise() -> None:
    with pytest.raises(QualityError, match="no table person with sex and year of birth"):
        characterise(tiny_cdm(without=("person",)))


def test_a_column_of_another_type_is_named_without_its_value() -> None:
    cdm = tiny_cdm({"person": PERSONS}, types={"visit_occurrence.person_id": "varchar"})
    cdm.connection.execute("insert into visit_occurrence (person_id) values ('secret')")
    with pytest.raises(QualityError, match=r"ConversionException") as raised:
        characterise(cdm)
    assert "secret" not in str(raised.value)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(random: Any) -> None:
    cdm = record(months=3, persons=20)
    before = characterise(cdm)
    for table in ("person", "observation_period", "visit_occurrence", "measurement"):
        seed = random.randrange(10**9)
        cdm.connection.execute(
            f"create or replace table {table} as select * from {table} "
            f"order by md5({table}::varchar || '{seed}')"
        )
    assert characterise(cdm).equals(before)


def test_what_was_loaded_as_text_counts_like_numbers() -> None:
    types = {"visit_occurrence.visit_concept_id": "varchar", "person.year_of_birth": "varchar"}
    cdm = tiny_cdm({"person": PERSONS}, types=types)
    cdm.connection.execute(
        "insert into visit_occurrence (person_id, visit_concept_id) values (1, '9201'), (1, 'x')"
    )
    assert rows(cdm, "records_by_concept", "concept_id", "records") == [(0, 1), (9201, 1)]


def test_parquet_files_give_what_the_database_gives(tmp_path: Path) -> None:
    cdm = record(months=2, persons=20)
    for table in ("person", "observation_period", "visit_occurrence", "measurement"):
        cdm.connection.sql(f"from {table}").write_parquet(str(tmp_path / f"{table}.parquet"))
    (tmp_path / "vocabulary").mkdir()
    concepts = str(tmp_path / "vocabulary" / "concept.parquet")
    cdm.connection.sql("from concept").write_parquet(concepts)
    with cdm_of_files(tmp_path, tmp_path / "vocabulary", TODAY, "1GB") as files:
        found = characterise(files)
    only = "from found where cdm_table in ('person', 'visit_occurrence', 'measurement')"
    assert ask(found, only) == ask(characterise(cdm), only)
    write_characterisation(found, tmp_path / "found.parquet")
    assert read_characterisation(tmp_path / "found.parquet").equals(found)


def test_a_file_that_is_no_characterisation_is_named(tmp_path: Path) -> None:
    file = tmp_path / "other.parquet"
    file.write_text("text")
    with pytest.raises(QualityError, match=r"other\.parquet can't be read"):
        read_characterisation(file)
    duckdb.sql("select 1 as x").write_parquet(str(file))
    with pytest.raises(QualityError, match="is no characterisation"):
        read_characterisation(file)
