"""The course of asthma: attacks apart, rules obeyed, the same luck under every drug."""

from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import date
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pumasi.simulate.asthma import AsthmaLife, asthma_life
from pumasi.simulate.asthma_rate import ARMS, DRUGS
from pumasi.simulate.life import SCHEMAS
from pumasi.simulate.parameters import parameters
from pumasi.simulate.population import persons_of
from pumasi.simulate.world import Chunk, World

NUMBERS = parameters("asthma")
KOREA = World(strict_rules=False)
FREE = World.identifiable()


@cache
def lived(world: World, hospital: str = "haneul", number: int = 0) -> tuple[pa.Table, AsthmaLife]:
    chunk = Chunk(hospital, number, 20_000)
    persons = persons_of(chunk, world)
    return persons, asthma_life(persons, NUMBERS, world, world.generator(chunk, "asthma"))


def lives(world: World, chunks: int) -> Iterator[AsthmaLife]:
    for number in range(chunks):
        yield lived(world, "haneul", number)[1]


def starts(world: World, chunks: int) -> pa.Table:
    tables = [life.biologic_starts for life in lives(world, chunks)]
    return pa.concat_tables(tables).unify_dictionaries()


def column(table: pa.Table, name: str) -> np.ndarray:
    return np.asarray(table[name].to_numpy(zero_copy_only=False))


def test_tables_have_the_schemas_of_a_life() -> None:
    life = lived(KOREA)[1]
    for name in ("attacks", "treatments", "tests", "visits", "onsets", "events"):
        assert getattr(life, name).schema == SCHEMAS[name]
        assert getattr(life, name).num_rows > 0


def test_the_same_chunk_gives_the_same_tables() -> None:
    chunk = Chunk("bada", 3, 2_000)
    first, again = (
        asthma_life(persons_of(chunk, KOREA), NUMBERS, KOREA, KOREA.generator(chunk, "asthma"))
        for _ in range(2)
    )
    for field in fields(AsthmaLife):
        assert getattr(first, field.name).equals(getattr(again, field.name))


def test_a_chunk_without_asthmatics_gives_empty_tables_of_the_same_columns() -> None:
    persons, life = lived(KOREA)
    nobody = persons.filter(pc.invert(persons["asthma"]))
    empty = asthma_life(nobody, NUMBERS, KOREA, np.random.default_rng(1))
    for field in fields(AsthmaLife):
        table = getattr(empty, field.name)
        assert table.num_rows == 0
        assert table.schema == getattr(life, field.name).schema


def test_no_attack_begins_within_14_days_after_the_end_of_another() -> None:
    attacks = lived(KOREA)[1].attacks.sort_by([("person", "ascending"), ("date", "ascending")])
    person, day = column(attacks, "person"), column(attacks, "date").astype("datetime64[D]")
    after_hospital = 7 * np.isin(column(attacks, "kind"), ["ed", "hospital", "icu"])
    end = day + column(attacks, "days") + after_hospital
    same = person[1:] == person[:-1]
    assert same.sum() > 1_000
    assert (day[1:] - end[:-1])[same].astype(int).min() >= 14


def test_no_row_lies_before_the_course_or_after_death_or_the_end() -> None:
    persons = lived(KOREA)[0]
    # Death is decided elsewhere: here everyone dies on one day.
    death = pa.array([date(2020, 1, 1)] * persons.num_rows, pa.date32())
    place = persons.schema.get_field_index("death_date")
    dying = persons.set_column(place, persons.schema.field("death_date"), death)
    life = asthma_life(dying, NUMBERS, KOREA, np.random.default_rng(2))
    for name in ("attacks", "treatments", "tests", "visits", "events", "asthma_months"):
        day = {"treatments": "start_date", "asthma_months": "month"}.get(name, "date")
        days = getattr(life, name)[day]
        assert pc.min(days).as_py() >= KOREA.start
        assert pc.max(days).as_py() < date(2020, 1, 1)
    whole = lived(KOREA)[1]
    assert max(pc.max(whole.visits["date"]).as_py(), pc.max(whole.attacks["date"]).as_py()) < (
        KOREA.end
    )


def test_after_a_fatal_attack_nothing_happens() -> None:
    numbers = {
        **NUMBERS,
        "attacks": {**NUMBERS["attacks"], "hospital": 0.3, "death_given_hosp": 0.5},
    }
    life = asthma_life(lived(KOREA)[0], numbers, KOREA, np.random.default_rng(3))
    fatal = life.attacks.filter(life.attacks["fatal"])
    assert fatal.num_rows > 100
    assert len(set(column(fatal, "person"))) == fatal.num_rows
    ends = dict(zip(column(fatal, "person"), column(fatal, "date"), strict=True))
    for table in (life.attacks, life.treatments, life.tests, life.visits):
        days = column(table, "start_date" if "start_date" in table.schema.names else "date")
        for person, day in zip(column(table, "person"), days, strict=True):
            assert person not in ends or day <= ends[person]


def test_korean_rules_pay_for_no_drug_before_their_day() -> None:
    table = starts(KOREA, 3)
    enforced = table.filter(table["enforced"])
    rules = NUMBERS["korea_reimbursement"]
    assert enforced.num_rows > 100
    for drug in DRUGS:
        since = rules[drug]["from"]
        of_drug = enforced.filter(pc.equal(enforced["drug"], drug))
        if since is None:
            assert of_drug.num_rows == 0
        elif of_drug.num_rows:
            assert pc.min(of_drug["date"]).as_py() >= date.fromisoformat(since)
    outside = table.filter(pc.invert(table["enforced"]))
    before = table.filter(pc.less(table["date"], date(2026, 1, 1)))
    early = before.filter(pc.equal(before["drug"], "dupilumab"))
    # Dupilumab for asthma before 2026: only where the rule wasn't enforced.
    assert early.num_rows > 0
    assert not any(early["enforced"].to_pylist())
    assert outside.num_rows > early.num_rows


def test_strict_rules_leave_no_start_outside_them() -> None:
    world = replace(KOREA, strict_rules=True)
    table = lived(world)[1].biologic_starts
    assert table.num_rows > 20
    assert all(table["enforced"].to_pylist())
    for row in table.to_pylist():
        assert row[f"paid_{row['drug']}"]
        if row["drug"] == "mepolizumab":
            assert row["age"] >= 18
            limbs = (
                row["eos"] >= 300 and (row["exac"] >= 4 or row["ocs_months"] >= 6),
                row["eos"] >= 400 and row["exac"] >= 3,
            )
            assert any(limbs)
        if row["drug"] == "omalizumab":
            assert row["ige"] >= 76
            assert row["perennial_allergen"]
            assert row["fev1_pct"] < 80
            assert row["exac"] >= 2


def test_under_liberal_access_a_start_needs_two_attacks_or_oral_steroids() -> None:
    table = starts(FREE, 2)
    assert pc.min(table["date"]).as_py() >= date(2019, 1, 1)
    assert ((column(table, "exac") >= 2) | (column(table, "ocs_months") >= 6)).all()


def test_life_again_under_the_drug_that_was_chosen_is_the_life_that_was() -> None:
    for life in lives(FREE, 2):
        attacks, begins = life.attacks, life.biologic_starts
        day = column(attacks, "date").astype("datetime64[D]")
        person = column(attacks, "person")
        compared = 0
        for row in begins.to_pylist():
            start = np.datetime64(row["date"])
            # Twelve months of a person end on the same day of the month a year later.
            end = np.datetime64(row["date"].replace(year=row["date"].year + 1))
            if end > np.datetime64(FREE.end):
                continue
            happened = ((person == row["person"]) & (day >= start) & (day < end)).sum()
            assert happened == row[f"attacks_12m_{row['drug']}"]
            compared += 1
        assert compared > 50


def test_a_better_drug_never_gives_more_attacks_in_a_month() -> None:
    months = lived(FREE)[1].asthma_months
    none = column(months, "attacks_none")
    for drug in DRUGS:
        assert (column(months, f"attacks_{drug}") <= none).all()


def test_each_drug_recovers_the_ratio_of_its_cell_in_attacks() -> None:
    """By cells of true markers, attacks under the drug over attacks under none, same luck."""
    tables = [life.asthma_months for life in lives(FREE, 3)]
    months = pa.concat_tables(tables)
    ratio = column(months, "rate_dupilumab") / column(months, "rate_none")
    under, none = column(months, "attacks_dupilumab"), column(months, "attacks_none")
    seen = np.unique(np.round(ratio, 6))
    checked = 0
    for value in seen:
        here = np.abs(ratio - value) < 1e-4
        events = none[here].sum()
        if events < 200:
            continue
        share = under[here].sum() / events
        # Below one a month: the ratio of probabilities stays close to that of rates.
        assert share == pytest.approx(value, abs=0.02 + 2 * np.sqrt(0.25 / events))
        checked += 1
    assert checked >= 8


def test_propensities_add_up_and_belong_to_offered_drugs() -> None:
    table = starts(KOREA, 2)
    total = sum(column(table, f"propensity_{drug}") for drug in DRUGS)
    np.testing.assert_allclose(total, 1)
    for drug in DRUGS:
        chosen = table.filter(pc.equal(table["drug"], drug))
        assert all(chosen[f"offered_{drug}"].to_pylist())
        assert (column(chosen, f"propensity_{drug}") > 0).all()


def test_choices_follow_the_propensities() -> None:
    table = starts(FREE, 4)
    for drug in ("omalizumab", "mepolizumab", "benralizumab", "dupilumab"):
        p = column(table, f"propensity_{drug}")
        chosen = column(table, "drug") == drug
        assert chosen.sum() == pytest.approx(p.sum(), abs=3.5 * np.sqrt((p * (1 - p)).sum()))


def test_without_the_confounder_its_value_changes_nothing() -> None:
    persons = lived(FREE)[0]
    place = persons.schema.get_field_index("confounder")
    other = persons.set_column(
        place, persons.schema.field("confounder"), pc.negate(persons["confounder"])
    )
    life = asthma_life(other, NUMBERS, FREE, FREE.generator(Chunk("haneul", 0, 20_000), "asthma"))
    assert life.attacks.equals(lived(FREE)[1].attacks)
    confounded = replace(FREE, unmeasured_confounder=True)
    draws = (np.random.default_rng(5) for _ in range(2))
    one, two = (
        asthma_life(p, NUMBERS, confounded, d) for p, d in zip((persons, other), draws, strict=True)
    )
    assert not one.attacks.equals(two.attacks)


def test_the_pandemic_lowers_attacks_only_when_it_is_switched_on() -> None:
    def share(world: World) -> float:
        days = column(lived(world)[1].attacks, "date").astype("datetime64[D]")
        inside = (days >= np.datetime64("2020-02-01")) & (days < np.datetime64("2022-01-01"))
        return float(inside.mean())

    on, off = share(KOREA), share(replace(KOREA, temporal_shift=False))
    assert on / off == pytest.approx(0.65, abs=0.1)


def test_steroids_lower_eosinophils_and_they_come_back() -> None:
    life = lived(KOREA)[1]
    tests = life.tests.filter(pc.equal(life.tests["test"], "eosinophils"))
    attacks = {}
    for person, day in zip(
        column(life.attacks, "person"), column(life.attacks, "date"), strict=True
    ):
        attacks.setdefault(person, []).append(day)
    soon, late = [], []
    for person, day, value in zip(
        *(column(tests, c) for c in ("person", "date", "value")), strict=True
    ):
        gaps = [
            int((day - a) / np.timedelta64(1, "D")) for a in attacks.get(person, []) if day >= a
        ]
        if gaps and 5 <= min(gaps) <= 10:
            soon.append(value)
        elif gaps and min(gaps) > 60:
            late.append(value)
    assert len(soon) > 100
    assert np.median(soon) < 0.6 * np.median(late)


def test_arms_are_the_drugs_and_none() -> None:
    assert ("none", *NUMBERS["biologics"]["names"]) == ARMS
