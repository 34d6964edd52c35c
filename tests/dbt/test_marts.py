"""The marts against the definitions said again, one person and one day at a time.

The SQL of the marts looks at all persons at once, with windows. Here every definition is a plain
predicate on what is known by a day, and a date is the first day on which it holds; two thousand
random persons, whose records become known on the day or up to 400 days after, must agree. So a
record that became known after such a day can't have moved it: the predicate never saw it.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import combinations
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from pumasi.compiled import CompiledProject

SEED = 20261123
PERSONS = 2000
FIRST_DAY = date(2015, 1, 1)
DAYS = 900
EXTRACTED_THROUGH = FIRST_DAY + timedelta(days=700)

ASTHMA, CHILDHOOD_ASTHMA, ASTHMA_MANAGEMENT = 317009, 4051466, 4235703
COPD, CYSTIC_FIBROSIS, BLEED, ULCER = 255573, 441267, 192671, 4027663
SABA, ICS, LTRA, TIOTROPIUM, INHALED_THERAPY, PREDNISONE = (
    1154343,
    939259,
    1154161,
    1106776,
    40142784,
    1551099,
)
CELECOXIB, DICLOFENAC, ASPIRIN = 1118084, 1124300, 1112807
HOSPITAL, EMERGENCY, BOTH, OFFICE = 9201, 9203, 262, 9202
FEMALE, MALE = 8532, 8507
ORAL, INTRAVENOUS, INTRA_ARTICULAR = 4132161, 4171047, 4006860

CONTROLLERS = {ICS, LTRA, TIOTROPIUM}
ASTHMA_DRUGS = {SABA, *CONTROLLERS}

# Concepts that are drawn often together, so that the rules have something to decide.
CONDITIONS = (ASTHMA, ASTHMA, ASTHMA, CHILDHOOD_ASTHMA, COPD, CYSTIC_FIBROSIS, BLEED, ULCER)
DRUGS = (SABA, ICS, LTRA, TIOTROPIUM, INHALED_THERAPY, PREDNISONE, CELECOXIB, DICLOFENAC, ASPIRIN)


@dataclass(frozen=True)
class Record:
    """One row: what, when it happened, when it became known, and what only some rows have."""

    id: int
    concept: int
    event: date
    known: date
    visit: int | None = None
    end: date | None = None
    days_supply: int | None = None
    route: int | None = None
    value: float | None = None
    value_concept: int | None = None

    @property
    def evidence(self) -> date:
        return max(self.event, self.known)


@dataclass
class Person:
    """A random person."""

    id: int
    born: date
    conditions: list[Record] = field(default_factory=list)
    drugs: list[Record] = field(default_factory=list)
    visits: list[Record] = field(default_factory=list)
    observations: list[Record] = field(default_factory=list)
    periods: list[tuple[date, date]] = field(default_factory=list)
    died: date | None = None
    measurements: list[Record] = field(default_factory=list)
    procedures: list[Record] = field(default_factory=list)
    sex: int = FEMALE

    def known_by(self, day: date) -> "Person":
        """Return the person as known on a day."""
        return Person(
            self.id,
            self.born,
            *(
                [record for record in records if record.evidence <= day]
                for records in (self.conditions, self.drugs, self.visits, self.observations)
            ),
        )

    def evidence_days(self) -> list[date]:
        records = [*self.conditions, *self.drugs, *self.visits, *self.observations]
        return sorted({record.evidence for record in records})

    def age(self, day: date) -> int:
        return day.year - self.born.year - (day.month < self.born.month)

    def diagnoses(self) -> list[Record]:
        return [each for each in self.conditions if each.concept in (ASTHMA, CHILDHOOD_ASTHMA)]

    def acute_visits(self) -> list[Record]:
        """Return the emergency visits and hospital stays that have an asthma diagnosis."""
        return [
            visit
            for visit in self.visits
            if visit.concept != OFFICE
            and any(
                each.visit == visit.id or visit.event <= each.event <= (visit.end or visit.event)
                for each in self.diagnoses()
            )
        ]


def random_person(rng: random.Random, number: int, ids: Iterator[int]) -> Person:
    """Draw a person with up to thirty records within 900 days."""
    born = date(rng.choice((1930, 1960, 1975, 1976, 2003, 2004)), rng.randint(1, 12), 1)
    person = Person(number, born)
    for _ in range(rng.randint(0, 5)):
        person.visits.append(random_visit(rng, next(ids)))
    visits = [visit.id for visit in person.visits]
    for _ in range(rng.randint(0, 9)):
        visit = rng.choice(visits) if visits and rng.random() < 0.3 else None
        concept = rng.choice(CONDITIONS)
        person.conditions.append(Record(next(ids), concept, *happened(rng), visit=visit))
    for _ in range(rng.randint(0, 14)):
        person.drugs.append(random_drug(rng, next(ids)))
    if rng.random() < 0.2:
        person.drugs += refills(rng, ids)
    if rng.random() < 0.1:
        person.observations.append(Record(next(ids), ASTHMA_MANAGEMENT, *happened(rng)))
    start = FIRST_DAY + timedelta(days=rng.randint(-100, 300))
    person.periods.append((start, min(start + timedelta(days=500), EXTRACTED_THROUGH)))
    if rng.random() < 0.2:
        person.died = FIRST_DAY + timedelta(days=rng.randint(300, DAYS))
    return person


def happened(rng: random.Random) -> tuple[date, date]:
    """Draw when something happened and when it became known; half of it at once."""
    event = FIRST_DAY + timedelta(days=rng.randint(0, DAYS - 1))
    return event, event + timedelta(days=rng.choice((0, 0, 0, 1, 30, rng.randint(0, 400))))


def random_visit(rng: random.Random, number: int) -> Record:
    event, known = happened(rng)
    end = None if rng.random() < 0.1 else event + timedelta(days=rng.choice((0, 0, 3, 20)))
    return Record(number, rng.choice((HOSPITAL, EMERGENCY, BOTH, OFFICE)), event, known, end=end)


def random_drug(rng: random.Random, number: int) -> Record:
    event, known = happened(rng)
    concept = rng.choice(DRUGS)
    return Record(
        number,
        concept,
        event,
        known,
        end=event + timedelta(days=rng.choice((0, 0, 1, 2, 9))),
        days_supply=rng.choice((None, 0, 2, 3, 14)),
        route=rng.choice((ORAL, ORAL, INTRAVENOUS, INTRA_ARTICULAR, 0, None)),
    )


def refills(rng: random.Random, ids: Iterator[int]) -> list[Record]:
    """Draw oral steroids refilled when the supply ends, or some days before or after."""
    days = rng.choice((5, 14, 14, 27, 28, 30))
    start = FIRST_DAY + timedelta(days=rng.randint(0, DAYS // 2))
    drugs = []
    for _ in range(rng.randint(2, 9)):
        known = start + timedelta(days=rng.choice((0, 0, 0, 1, 40)))
        drugs.append(
            Record(next(ids), PREDNISONE, start, known, end=start, days_supply=days, route=ORAL)
        )
        start += timedelta(days=days + rng.choice((-2, 0, 0, 3, 14)))
    return drugs


def has_any_asthma(person: Person, _: date) -> bool:
    return bool(person.diagnoses())


def is_korean_claims(person: Person, _: date) -> bool:
    days = sorted({each.event for each in person.diagnoses()})
    fills = [each.event for each in person.drugs if each.concept in ASTHMA_DRUGS]
    return any(
        (max(second, fill) - min(first, fill)).days <= 365
        for first, second in combinations(days, 2)
        for fill in fills
    )


def is_persistent(person: Person, _: date) -> bool:
    years = {each.event.year for each in [*person.conditions, *person.drugs, *person.visits]}
    counting = {year for year in years if counts_as_persistent(person, year)}
    return bool(person.diagnoses()) and any(year + 1 in counting for year in counting)


def counts_as_persistent(person: Person, year: int) -> bool:
    acute = [each for each in person.acute_visits() if each.event.year == year]
    days = {each.event for each in person.diagnoses() if each.event.year == year}
    fills = {
        (each.event, each.concept)
        for each in person.drugs
        if each.concept in ASTHMA_DRUGS and each.event.year == year
    }
    return bool(acute) or (len(days) >= 4 and len(fills) >= 2) or len(fills) >= 4


def is_pl_334(person: Person, _: date) -> bool:
    named = {ASTHMA, ASTHMA_MANAGEMENT, CHILDHOOD_ASTHMA}
    records = [*person.conditions, *person.observations]
    therapies = [each.event for each in person.drugs if each.concept == INHALED_THERAPY]
    by_therapy = any(
        180 <= (later - earlier).days <= 365 and later.year - person.born.year < 55
        for later in therapies
        for earlier in therapies
    )
    return bool(person.diagnoses()) and (
        any(each.concept in named for each in records) or by_therapy
    )


def meets_base_criteria(person: Person, day: date) -> bool:
    days = sorted({each.event for each in person.diagnoses()})
    controllers = [each for each in person.drugs if each.concept in CONTROLLERS]
    seen_today = any(each.evidence == day for each in [*person.diagnoses(), *controllers])
    return (
        any(30 <= (second - first).days <= 365 for first, second in combinations(days, 2))
        and bool(controllers)
        and person.age(day) >= 12
        and (seen_today or day == birthday(person, 12))
    )


def birthday(person: Person, age: int) -> date:
    return person.born.replace(year=person.born.year + age)


def observed_birthdays(person: Person, age: int) -> list[date]:
    day = birthday(person, age)
    lives = person.died is None or person.died >= day
    return [day for start, end in person.periods if start <= day <= end and lives]


def first_day(
    person: Person, rule: Callable[[Person, date], bool], more: Iterable[date] = ()
) -> date | None:
    """Return the first day on which the rule holds for what is known by then."""
    days = sorted({*person.evidence_days(), *more})
    return next((day for day in days if rule(person.known_by(day), day)), None)


def expected_cohort(person: Person) -> dict[str, Any] | None:
    """Return the row of asthma__cohort, but for the split key; None without asthma."""
    any_asthma = first_day(person, has_any_asthma)
    if any_asthma is None:
        return None
    pl_334 = first_day(person, is_pl_334)
    return {
        "person_id": person.id,
        "sex_concept_id": 8532,
        "is_female": True,
        "age_at_any_asthma": person.age(any_asthma),
        "any_asthma_date": any_asthma,
        "korean_claims_date": first_day(person, is_korean_claims),
        "persistent_date": first_day(person, is_persistent),
        "severe_date": None,
        "severe_is_assessable": False,
        "pl_334_date": pl_334,
        **expected_pl_27(person, pl_334),
        **expected_base_cohort(person),
        "base_cohort_egpa_is_assessed": False,
    }


def expected_pl_27(person: Person, entry: date | None) -> dict[str, Any]:
    copd = [each.evidence for each in person.conditions if each.concept == COPD]
    tiotropium = [each.evidence for each in person.drugs if each.concept == TIOTROPIUM]
    if entry is None or any(day <= entry for day in [*copd, *tiotropium]):
        return {"pl_27_date": None, "pl_27_censor_date": None}
    return {"pl_27_date": entry, "pl_27_censor_date": min([*copd, *tiotropium], default=None)}


def expected_base_cohort(person: Person) -> dict[str, Any]:
    entry = first_day(person, meets_base_criteria, observed_birthdays(person, 12))
    copd = [each.evidence for each in person.conditions if each.concept == COPD]
    fibrosis = [each.evidence for each in person.conditions if each.concept == CYSTIC_FIBROSIS]
    nothing = {"base_cohort_date": None, "base_cohort_censor_date": None}
    if entry is None or any(day <= entry for day in fibrosis):
        return {**nothing, "base_cohort_is_assessable": True}
    if person.age(entry) >= 40 and any(day <= entry for day in copd):
        return {**nothing, "base_cohort_is_assessable": False}
    turns = [day for day in observed_birthdays(person, 40) if any(known <= day for known in copd)]
    later = [day for day in [*copd, *turns] if day > entry and person.age(day) >= 40]
    return {
        "base_cohort_date": entry,
        "base_cohort_censor_date": min([*later, *fibrosis], default=None),
        "base_cohort_is_assessable": True,
    }


def expected_episodes(person: Person, gap: int) -> list[dict[str, Any]]:
    """Return the episodes of a gap rule, found by walking through the evidence by its first day."""
    episodes: list[dict[str, Any]] = []
    for kind, start, end, known in sorted(evidence(person), key=lambda each: each[1]):
        if not episodes or (start - episodes[-1]["episode_end_date"]).days >= gap:
            episodes.append(
                {
                    "person_id": person.id,
                    "gap_days": gap,
                    "episode_start_date": start,
                    "episode_end_date": end,
                    "first_known_date": known,
                    "known_date": known,
                    **dict.fromkeys(COUNTS, 0),
                }
            )
        episode = episodes[-1]
        episode["episode_end_date"] = max(episode["episode_end_date"], end)
        episode["first_known_date"] = min(episode["first_known_date"], known)
        episode["known_date"] = max(episode["known_date"], known)
        episode[kind] += 1
    for episode in episodes:
        episode["maintenance_steroid_count"] = sum(
            start <= episode["episode_end_date"] and end >= episode["episode_start_date"]
            for start, end in maintenance(person)
        )
    return episodes


COUNTS = ("oral_steroid_count", "injection_count", "emergency_visit_count", "hospital_stay_count")


def evidence(person: Person) -> Iterator[tuple[str, date, date, date]]:
    """Yield kind, first day, last day and the day it is known; of steroids those in asthma only."""
    for kind, start, end, known in steroids(person):
        if any(each.event <= start for each in person.known_by(known).diagnoses()):
            yield kind, start, end, known
    yield from acute_evidence(person)


def steroids(person: Person) -> Iterator[tuple[str, date, date, date]]:
    for drug, days in oral_supplies(person):
        if days >= 3 and not is_maintenance(person, drug, days):
            last = drug.event + timedelta(days=days - 1)
            yield "oral_steroid_count", drug.event, last, drug.evidence
    for drug in person.drugs:
        if drug.concept == PREDNISONE and drug.route == INTRAVENOUS:
            yield "injection_count", drug.event, drug.event, drug.evidence


def oral_supplies(person: Person) -> Iterator[tuple[Record, int]]:
    """Yield the oral steroids of known duration, each with its days."""
    for drug in person.drugs:
        assert drug.end is not None
        if drug.concept != PREDNISONE or drug.route != ORAL:
            continue
        if drug.days_supply or drug.end > drug.event:
            yield drug, drug.days_supply or ((drug.end - drug.event).days + 1)


def is_maintenance(person: Person, drug: Record, days: int) -> bool:
    """Return whether a supply is of four weeks, or after four weeks of shorter ones in eight."""
    longest: dict[date, int] = {}
    for other, length in oral_supplies(person.known_by(drug.evidence)):
        if length < 28 and 1 <= (drug.event - other.event).days <= 56:
            longest[other.event] = max(longest.get(other.event, 0), length)
    return days >= 28 or sum(longest.values()) >= 28


def maintenance(person: Person) -> list[tuple[date, date]]:
    return [
        (drug.event, drug.event + timedelta(days=days - 1))
        for drug, days in oral_supplies(person)
        if is_maintenance(person, drug, days)
    ]


def acute_evidence(person: Person) -> Iterator[tuple[str, date, date, date]]:
    for visit in person.acute_visits():
        known = first_day(
            person, lambda seen, _, v=visit: any(each.id == v.id for each in seen.acute_visits())
        )
        assert known is not None
        end = visit.end or visit.event
        if visit.concept in (EMERGENCY, BOTH):
            yield "emergency_visit_count", visit.event, end, known
        if visit.concept in (HOSPITAL, BOTH):
            yield "hospital_stay_count", visit.event, end, known


def expected_new_user(person: Person) -> dict[str, Any] | None:
    """Return the row of gi_bleed__new_users, but for split key and sex; None if no user."""
    index = first_day(
        person, lambda seen, _: any(each.concept in (CELECOXIB, DICLOFENAC) for each in seen.drugs)
    )
    if index is None:
        return None
    seen = person.known_by(index)
    started = {each.concept for each in seen.drugs} & {CELECOXIB, DICLOFENAC}
    before = {
        name: [each for each in records if each.event < index]
        for name, records in (
            ("conditions", seen.conditions),
            ("drug_exposures", seen.drugs),
            ("visits", seen.visits),
            ("observations", seen.observations),
        )
    }
    days = [each.event for records in before.values() for each in records]
    return {
        "person_id": person.id,
        "index_date": index,
        "drug": "celecoxib" if CELECOXIB in started else "diclofenac",
        "both_drugs_on_index": len(started) == 2,
        "age_at_index": person.age(index),
        "prior_observation_days": (index - min(days, default=index)).days,
        "has_prior_gi_bleed": any(each.concept == BLEED for each in seen.conditions),
        **{
            f"{name}_365": sum((index - each.event).days <= 365 for each in before[name])
            for name in ("conditions", "drug_exposures", "visits")
        },
        "had_peptic_ulcer": any(each.concept == ULCER for each in before["conditions"]),
        "used_aspirin": any(each.concept == ASPIRIN for each in before["drug_exposures"]),
        **expected_labels(person, index),
    }


def expected_labels(person: Person, index: date) -> dict[str, Any]:
    last = index + timedelta(days=365)
    lives = person.died is None or person.died > last
    observed = lives and any(start <= index and end >= last for start, end in person.periods)
    bleeds = [
        each.event
        for each in person.conditions
        if each.concept == BLEED and index < each.event <= last
    ]
    bleed = min(bleeds, default=None) if observed else None
    died = person.died is not None and index < person.died <= min(last, EXTRACTED_THROUGH)
    return {
        "has_gi_bleed_365": bool(bleeds) if observed else None,
        "gi_bleed_date": bleed,
        "days_to_gi_bleed": (bleed - index).days if bleed else None,
        "has_died_365": True if died else (False if observed else None),
    }


@dataclass(frozen=True)
class Hospital:
    """The random persons, and a connection to the marts that the SQL made of them."""

    persons: tuple[Person, ...]
    connection: duckdb.DuckDBPyConnection

    def rows(self, mart: str, columns: Iterable[str]) -> list[dict[str, Any]]:
        names = list(columns)
        found = self.connection.execute(f"select {', '.join(names)} from marts.{mart} order by all")
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@pytest.fixture(scope="module")
def hospital(fhir_project: CompiledProject) -> Iterator[Hospital]:
    """Two thousand random persons as intermediate tables, and the marts made of them."""
    rng = random.Random(SEED)  # noqa: S311 (no secret is drawn)
    ids = iter(range(1, 10**9))
    persons = tuple(random_person(rng, number, ids) for number in range(PERSONS))
    with built(fhir_project, persons) as hospital:
        yield hospital


@contextmanager
def built(project: CompiledProject, persons: tuple[Person, ...]) -> Iterator[Hospital]:
    """Build the marts of the persons in memory."""
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as warehouse")
        connection.execute("use warehouse")
        write_intermediate(connection, persons)
        build_marts(connection, project)
        yield Hospital(persons, connection)


def write_intermediate(connection: duckdb.DuckDBPyConnection, persons: tuple[Person, ...]) -> None:
    """Write what the marts read of the layers below them."""
    for schema in ("staging", "intermediate", "omop", "marts"):
        connection.execute(f"create schema {schema}")
    tables: dict[str, tuple[str, list[tuple[Any, ...]]]] = {
        "intermediate.int_persons": (
            "person_id bigint, split_key integer, gender_concept_id integer, "
            "year_of_birth integer, month_of_birth integer",
            [(p.id, p.id % 100, p.sex, p.born.year, p.born.month) for p in persons],
        ),
        "intermediate.int_condition_occurrences": (
            "person_id bigint, condition_concept_id integer, event_date date, known_date date, "
            "visit_occurrence_id bigint, details_known_date date",
            [
                (p.id, each.concept, each.event, each.known, each.visit, each.known)
                for p in persons
                for each in p.conditions
            ],
        ),
        "intermediate.int_drug_exposures": (
            "person_id bigint, drug_concept_id integer, event_date date, known_date date, "
            "drug_exposure_id bigint, drug_exposure_end_date date, days_supply integer, "
            "route_concept_id integer, details_known_date date",
            [
                (p.id, d.concept, d.event, d.known, d.id, d.end, d.days_supply, d.route, d.known)
                for p in persons
                for d in p.drugs
            ],
        ),
        "intermediate.int_visit_occurrences": (
            "person_id bigint, visit_concept_id integer, event_date date, known_date date, "
            "visit_occurrence_id bigint, visit_start_date date, visit_end_date date, "
            "details_known_date date",
            [
                (p.id, v.concept, v.event, v.known, v.id, v.event, v.end, v.known)
                for p in persons
                for v in p.visits
            ],
        ),
        "intermediate.int_observations": (
            "person_id bigint, observation_concept_id integer, event_date date, known_date date",
            [(p.id, o.concept, o.event, o.known) for p in persons for o in p.observations],
        ),
        "intermediate.int_procedure_occurrences": (
            "person_id bigint, procedure_concept_id integer, event_date date, known_date date",
            [
                (p.id, each.concept, each.event, each.known)
                for p in persons
                for each in p.procedures
            ],
        ),
        "intermediate.int_measurements": (
            "person_id bigint, measurement_concept_id integer, event_date date, known_date date, "
            "value_as_concept_id integer",
            [
                (p.id, each.concept, each.event, each.known, each.value_concept)
                for p in persons
                for each in p.measurements
            ],
        ),
        "intermediate.int_measurements_standardised": (
            "person_id bigint, measurement_concept_id integer, event_date date, known_date date, "
            "value_as_number double",
            [
                (p.id, each.concept, each.event, each.known, each.value)
                for p in persons
                for each in p.measurements
            ],
        ),
        "intermediate.int_drug_ingredients": (
            "drug_concept_id integer, ingredient_concept_id integer",
            [
                (concept, concept)
                for concept in sorted({d.concept for p in persons for d in p.drugs})
            ],
        ),
        "intermediate.int_deaths": (
            "person_id bigint, death_date date, known_date date",
            [(p.id, p.died, p.died) for p in persons if p.died],
        ),
        "intermediate.int_observation_periods": (
            "person_id bigint, observation_period_start_date date, "
            "observation_period_end_date date",
            [(p.id, *period) for p in persons for period in p.periods],
        ),
        "intermediate.int_last_contacts": ("person_id bigint, last_contact_date date", []),
        "intermediate.int_coverage": ("extracted_through date", [(EXTRACTED_THROUGH,)]),
        "omop.concept": ("concept_id integer, concept_name varchar", [(PREDNISONE, "prednisone")]),
        "staging.stg_vocabulary__concepts": ("concept_id integer, concept_name varchar", []),
        "staging.stg_vocabulary__concept_ancestors": (
            "ancestor_concept_id integer, descendant_concept_id integer",
            [(ASTHMA, CHILDHOOD_ASTHMA)],
        ),
    }
    for name, (columns, rows) in tables.items():
        connection.execute(f"create table {name} ({columns})")
        if rows:
            names = [column.split()[0] for column in columns.split(", ")]
            content = pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))
            connection.register("content", content)
            connection.execute(f"insert into {name} from content")


def build_marts(connection: duckdb.DuckDBPyConnection, project: CompiledProject) -> None:
    """Run the models of the marts, and of the concept sets, in their order."""
    for schema, name, path, types in project.seeds:
        if name == "concept_sets" or "/seeds/clinical/" in path:
            connection.execute(
                f"create table {schema}.{name} as "
                f"from read_csv('{path}', header = true, types = {types})"
            )
    subjects = ("asthma__", "core__", "fabry__", "gi_bleed__", "int_concept_set_members")
    for schema, name, kind, sql, _ in project.models:
        if name.startswith(subjects):
            connection.execute(f'create {kind} {schema}."{name}" as {sql}')


def test_every_definition_of_asthma_is_met_on_the_first_day_it_holds_for_what_is_known(
    hospital: Hospital,
) -> None:
    expected = [row for row in map(expected_cohort, hospital.persons) if row is not None]
    assert hospital.rows("asthma__cohort", expected[0]) == expected
    for name in expected[0]:
        if name.endswith("_date") and name != "severe_date":
            met = sum(row[name] is not None for row in expected)
            assert met >= 20, f"{name} is met by {met} random persons only"
    born = {person.id: person for person in hospital.persons}
    for name, age in (("base_cohort_date", 12), ("base_cohort_censor_date", 40)):
        assert any(row[name] in observed_birthdays(born[row["person_id"]], age) for row in expected)


def test_episodes_are_those_found_by_walking_through_the_evidence(hospital: Hospital) -> None:
    expected = sorted(
        (
            episode
            for person in hospital.persons
            for gap in (7, 14)
            for episode in expected_episodes(person, gap)
        ),
        key=lambda row: (row["person_id"], row["gap_days"], row["episode_start_date"]),
    )
    assert hospital.rows("asthma__exacerbations", expected[0]) == expected
    assert len(expected) > 500
    assert sum(row["maintenance_steroid_count"] for row in expected) > 50
    assert any(
        days < 28 and is_maintenance(person, drug, days)
        for person in hospital.persons
        for drug, days in oral_supplies(person)
    )


def test_two_years_of_maintenance_steroid_leave_four_hospital_stays_four_episodes(
    fhir_project: CompiledProject,
) -> None:
    ids = iter(range(1, 1000))
    person = Person(1, date(1970, 5, 1), periods=[(FIRST_DAY, EXTRACTED_THROUGH)])
    for month in range(24):
        day = FIRST_DAY + timedelta(days=30 * month)
        supply = Record(next(ids), PREDNISONE, day, day, end=day, days_supply=30, route=ORAL)
        person.drugs.append(supply)
    stays = [FIRST_DAY + timedelta(days=days) for days in (45, 200, 350, 500)]
    for day in stays:
        visit = Record(next(ids), HOSPITAL, day, day, end=day + timedelta(days=4))
        person.visits.append(visit)
        person.conditions.append(Record(next(ids), ASTHMA, day, day, visit=visit.id))
    expected = [
        (gap, day, day + timedelta(days=4), 0, 1, 1) for gap in (7, 14) for day in sorted(stays)
    ]
    columns = (
        "gap_days",
        "episode_start_date",
        "episode_end_date",
        "oral_steroid_count",
        "hospital_stay_count",
        "maintenance_steroid_count",
    )
    with built(fhir_project, (person,)) as hospital:
        rows = hospital.rows("asthma__exacerbations", columns)
    assert rows == [dict(zip(columns, row, strict=True)) for row in expected]


def test_new_users_are_described_by_what_was_known_and_labelled_by_what_happened(
    hospital: Hospital,
) -> None:
    expected = [row for row in map(expected_new_user, hospital.persons) if row is not None]
    assert hospital.rows("gi_bleed__new_users", expected[0]) == expected
    for label in ("has_gi_bleed_365", "has_died_365"):
        assert {row[label] for row in expected} == {True, False, None}
    assert any(row["both_drugs_on_index"] for row in expected)
