"""Whole lives of a chunk: made of nothing but the world and the chunk, and over at death."""

from functools import cache

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pumasi.simulate.columns import NEVER, day_number, days_of
from pumasi.simulate.life import SCHEMAS, Life, live
from pumasi.simulate.world import Chunk, World

WORLD = World(scale=0.2)
HAPPENED = {"events": "date", "attacks": "date", "visits": "date", "tests": "date"}


@cache
def haneul() -> Life:
    return live(Chunk("haneul", 0, 4_000), WORLD)


def ask(query: str, life: Life | None = None) -> list[tuple[object, ...]]:
    """Return the rows of a query over the tables of a life."""
    connection = duckdb.connect()
    for name, table in (life or haneul()).tables().items():
        if table.num_columns:
            connection.register(name, table)
    return connection.execute(query).fetchall()


def test_a_life_is_a_function_of_world_and_chunk() -> None:
    again = live(Chunk("haneul", 0, 4_000), WORLD)
    for name, table in haneul().tables().items():
        assert table.equals(again.tables()[name]), name


def test_another_chunk_has_other_lives() -> None:
    small = World(scale=2.1)
    first, second = (live(Chunk("haneul", number, 300), small) for number in (0, 1))
    assert not first.persons["birth_date"].equals(second.persons["birth_date"])
    assert not set(first.persons["person"].to_pylist()) & set(second.persons["person"].to_pylist())


def test_tables_have_their_schemas() -> None:
    for name, schema in SCHEMAS.items():
        assert haneul().tables()[name].schema == schema, name


@pytest.mark.parametrize(("table", "day"), [*HAPPENED.items(), ("treatments", "start_date")])
def test_nothing_happens_after_death(table: str, day: str) -> None:
    late = ask(f"select count(*) from {table} join persons using (person) where {day} > death_date")
    assert late == [(0,)]


def test_nothing_is_recognised_before_it_begins_or_after_death() -> None:
    wrong = ask("""
        select count(*) from onsets join persons using (person)
        where recognised_date < onset_date or recognised_date > death_date
            or onset_date < birth_date or onset_date > death_date
    """)
    assert wrong == [(0,)]


def test_a_condition_begins_once() -> None:
    twice = ask("select person, condition from onsets group by all having count(*) > 1")
    assert twice == []


def test_nobody_sees_a_doctor_of_the_hospital_before_being_its_patient() -> None:
    early = ask("""
        select count(*) from visits join persons using (person) where date < entry_date
    """)
    assert early == [(0,)]
    end = day_number(WORLD.end)
    assert days_of(haneul().visits["date"]).max() < end


def test_a_fatal_attack_is_the_day_of_death() -> None:
    living = ask("""
        select count(*) from attacks join persons using (person)
        where fatal and death_date is distinct from date
    """)
    assert living == [(0,)]


def test_carriers_and_decoys_have_a_row_of_truth() -> None:
    persons = haneul().persons
    carrying = persons.filter(pc.is_valid(persons["fabry_group"]))["person"]
    assert haneul().fabry["person"].to_pylist() == carrying.to_pylist()
    assert haneul().fabry["variant"].null_count == 0


def test_the_diagnosed_have_the_disease_by_its_name_and_the_undiagnosed_not() -> None:
    wrong = ask("""
        select count(*) from fabry
        left join onsets on fabry.person = onsets.person and condition = 'fabry'
        where diagnosis_date is distinct from recognised_date
    """)
    assert wrong == [(0,)]


def test_only_the_diagnosed_are_treated_and_only_from_their_first_day_on() -> None:
    wrong = ask("""
        select count(*) from treatments left join fabry using (person)
        where treatments.drug in ('agalsidase_beta', 'agalsidase_alfa', 'migalastat')
            and (treated_from is null or start_date < treated_from
                or treatments.drug <> fabry.drug or diagnosis_date > start_date)
    """)
    assert wrong == [(0,)]
    assert ask("select count(*) > 100 from treatments where drug = 'agalsidase_beta'") == [(True,)]


def test_every_other_week_is_an_infusion() -> None:
    days = ask("""
        select median(gap) from (
            select start_date - lag(start_date) over (partition by person order by start_date)
                as gap
            from treatments where drug = 'agalsidase_beta')
    """)
    assert days == [(14.0,)]


def test_potential_outcomes_agree_with_what_was_lived() -> None:
    """Who took agalsidase beta lived the course of agalsidase beta: same numbers, same death."""
    wrong = ask("""
        select count(*) from fabry join persons using (person)
        where drug = 'agalsidase_beta' and death_date is not null
            and abs(death_date - death_date__agalsidase_beta) > 1
    """)
    assert wrong == [(0,)]
    better = ask("""
        select count(*), avg(egfr_slope__agalsidase_beta - egfr_slope__none)
        from fabry where time_zero is not null and "group" = 'classic_M'
    """)
    assert better[0][1] > 0.2  # type: ignore[operator]


def test_creatinine_of_carriers_follows_the_true_filtration() -> None:
    both = ask("""
        select tests.value, egfr from tests
        join fabry_years on tests.person = fabry_years.person and year(date) = year
        where test = 'creatinine' and month(date) <= 2
    """)
    values = np.array(both, dtype=float)
    assert len(values) > 30
    assert np.corrcoef(np.log(values[:, 0]), np.log(values[:, 1]))[0, 1] < -0.7


def test_tests_of_the_gene_are_pathogenic_in_carriers_only() -> None:
    classes = ask("""
        select distinct value_term, "group" in ('decoy_M', 'decoy_F') or "group" is null
        from tests left join fabry using (person) where test = 'gla_test'
    """)
    assert ("pathogenic", False) in classes
    assert ("pathogenic", True) not in classes


def test_deaths_lie_within_the_years_of_records() -> None:
    death = days_of(haneul().persons["death_date"])
    assert (death[death < NEVER] < day_number(WORLD.end)).all()


def test_there_are_100_source_rows_a_person() -> None:
    life = haneul()
    rows = 2 * life.visits.num_rows + life.treatments.num_rows
    rows += int(pc.sum(life.tests["done"].cast(pa.int64())).as_py())
    assert rows / life.persons.num_rows > 110
