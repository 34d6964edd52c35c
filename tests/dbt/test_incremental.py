"""Incremental equals full: after every delivery, whatever happened, every table has the same rows.

Hypothesis tells what happens to a hospital of a few persons over four deliveries: rows come, are
corrected, move to another person, name a visit of somebody else, or come again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestration.site.increment import columns_of
from orchestration.site.project import Project
from pumasi.compiled import CompiledProject
from pumasi.config import SitePaths
from pumasi.extract import discover, pull, read, read_vocabulary
from pumasi.incremental import (
    Delivery,
    Inputs,
    copy_tables,
    inputs_of,
    merge,
    new_deliveries,
    split,
    write_delta,
)
from tests.extract.extracts import place_key
from tests.hospital import (
    ASTHMA,
    BLEED,
    CELECOXIB,
    COPD,
    PREDNISONE,
    WEIGHT,
    TinyHospital,
    tiny_site,
    write_vocabulary,
)

PERSONS = [f"p{number}" for number in range(8)]
FIRST = date(2018, 12, 31)
FEW = settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
Change = tuple[str, str, str, int]
CHANGES = st.tuples(
    st.sampled_from(["visit", "condition", "drug", "test", "correct", "move", "borrow", "die"]),
    st.sampled_from(PERSONS),
    st.sampled_from(PERSONS),
    st.integers(0, 1500),
)


@dataclass
class Told:
    """A hospital of which several deliveries are told; each holds what changed since the last."""

    now: TinyHospital = field(default_factory=TinyHospital)
    sent: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def apply(self, change: Change) -> None:
        what, person, other, days = change
        day = str(date(2013, 1, 1) + timedelta(days=days))
        people = self.now.resources.get("Patient", [])
        if not any(row["id"] == person for row in people):
            self.now.add_person(person)
        match what:
            case "visit":
                self.now.add_visit(person, day, kind="EMER" if days % 3 else "IMP")
            case "condition":
                self.now.add_condition(person, [ASTHMA, BLEED, COPD][days % 3], day, day)
            case "drug":
                self.now.add_drug(person, [CELECOXIB, PREDNISONE][days % 2], day, days % 40)
            case "test":
                self.now.add_measurement(person, WEIGHT, day, 50.0 + days % 50, "kg")
            case "correct" if self.now.resources.get("Condition"):
                self._some("Condition", days)["onsetDateTime"] = day
            case "move" if self.now.resources.get("Condition"):
                self._some("Condition", days)["subject"] = {"reference": f"Patient/{other}"}
            case "borrow" if self.now.resources.get("Encounter"):
                visit = self._some("Encounter", days)["id"]
                self.now.add_condition(person, ASTHMA, day, visit=visit)
            case "die":
                self.now.change(person, deceasedDateTime=day)

    def _some(self, resource: str, number: int) -> dict[str, Any]:
        rows = self.now.resources[resource]
        return rows[number % len(rows)]

    def changed(self) -> TinyHospital:
        """What is new or other than it was last sent."""
        made = TinyHospital()
        for resource, rows in self.now.resources.items():
            news = [row for row in rows if row not in self.sent.get(resource, [])]
            if news:
                made.resources[resource] = news
        self.sent = deepcopy(self.now.resources)
        return made


class Hospital:
    """Takes deliveries in one by one; keeps a warehouse that is brought up to date by them."""

    def __init__(self, root: Path, project: CompiledProject) -> None:
        self.root, self.project = root, project
        self.paths = SitePaths.of("tiny", root / "home")
        place_key(self.paths)
        write_vocabulary(root / "vocabulary")
        self.before: Inputs | None = None
        self.ways: list[str] = []

    def take_in(
        self,
        made: TinyHospital,
        as_of: date,
        through: date,
        kind: str = "incremental",
        folder: str = "",
    ) -> None:
        made.write(self.root / "extract" / (folder or str(as_of)), as_of, kind, through)
        config = tiny_site(self.root, as_of)
        for delivery in discover(config):
            read(config, pull(config, delivery, self.paths), delivery, self.paths)
        read_vocabulary(config, discover(config), self.paths)

    def build(self, connection: duckdb.DuckDBPyConnection | None) -> duckdb.DuckDBPyConnection:
        """The warehouse after what was delivered: brought up to date where that can be done."""
        now = inputs_of(self.paths, "same")
        new = new_deliveries(self.before, now) if self.before else ()
        delta = write_delta(self.paths, new, most_changed=1.0) if new else None
        if connection is None or delta is None:
            self.before = now
            self.ways.append("full")
            return self.project.build(self.paths)
        assert self.before is not None
        nodes = Project(self.project.manifest).graph(columns_of(connection))
        parts = split(nodes, reach_moved=now.reaches != self.before.reaches)
        file = str(delta.paths.warehouse)
        connection.execute(f"attach '{file}' as delta")
        copy_tables(connection, "warehouse", "delta", parts.copied)
        connection.execute("detach delta")
        left_out = parts.not_in_delta | {node.name for node in parts.copied}
        self.project.build(delta.paths, file, left_out).close()
        connection.execute(f"attach '{file}' as delta (read_only)")
        merge(connection, "warehouse", "delta", delta.persons, parts.replaced)
        connection.execute("detach delta")
        self.project.run(connection, self.paths, {node.name for node in parts.anew})
        delta.remove()
        self.before = now
        self.ways.append(f"{delta.count}")
        return connection


def tables(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Rows of every table and view of the warehouse as a multiset, by name."""
    names = connection.execute(
        "select table_schema, table_name from information_schema.tables "
        "where table_catalog = 'warehouse' order by all"
    ).fetchall()
    return {
        f"{schema}.{name}": connection.execute(
            f'select t::varchar, count(*) from {schema}."{name}" as t group by all order by all'
        ).fetchall()
        for schema, name in names
    }


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    differing = {
        name: (set(one[name]) ^ set(other[name])) for name in one if one[name] != other[name]
    }
    assert differing == {}


@contextmanager
def opened(project: CompiledProject) -> Iterator[Hospital]:
    with tempfile.TemporaryDirectory() as folder:
        yield Hospital(Path(folder), project)


@pytest.mark.slow
@FEW
@given(
    first=st.lists(CHANGES, min_size=5, max_size=40),
    later=st.lists(st.lists(CHANGES, max_size=8), min_size=1, max_size=3),
    reaches=st.lists(st.sampled_from([0, 30, 31]), min_size=3, max_size=3),
)
def test_incremental_equals_full(
    fhir_project: CompiledProject,
    first: list[Change],
    later: list[list[Change]],
    reaches: list[int],
) -> None:
    told = Told()
    with opened(fhir_project) as hospital:
        connection = None
        for number, changes in enumerate([first, *later]):
            for change in changes:
                told.apply(change)
            as_of = FIRST + timedelta(days=31 * number)
            made = told.changed()
            if not made.resources:
                continue
            through = FIRST + timedelta(days=sum(reaches[:number]))
            kind = "full" if number == 0 else "incremental"
            hospital.take_in(made, as_of, min(through, as_of), kind)
            connection = hospital.build(connection)
            with closing(fhir_project.build(hospital.paths)) as full:
                assert_same(tables(connection), tables(full))
        assert connection is not None
        connection.close()
        assert "full" not in hospital.ways[1:]


@pytest.mark.slow
def test_what_is_made_anew_is_about_all_persons_and_nothing_else(
    fhir_project: CompiledProject,
) -> None:
    """A step without a person in its rows would have everything below it made anew, for nothing."""
    made = TinyHospital()
    made.add_person("p0")
    with opened(fhir_project) as hospital:
        hospital.take_in(made, FIRST, FIRST, "full")
        with closing(hospital.build(None)) as connection:
            nodes = Project(fhir_project.manifest).graph(columns_of(connection))
    assert {node.name for node in split(nodes, reach_moved=False).anew} == {
        *("location", "care_site", "provider"),
        "cost",  # its rows name a record and no person
        *("int_locations_settled", "int_care_sites_settled", "int_providers_settled"),
        "cdm_source",
        "int_cdm_sources",
        "int_cdm_sources_settled",
        "int_coverage",
        "int_deliveries",
        "int_reference_losses",
        "int_unmapped_codes",
    }


@pytest.mark.slow
@settings(FEW, max_examples=3)
@given(
    told=st.lists(st.lists(CHANGES, min_size=3, max_size=10), min_size=2, max_size=3),
    data=st.data(),
)
def test_late_doubled_and_out_of_order_deliveries_give_the_same_warehouse(
    fhir_project: CompiledProject, told: list[list[Change]], data: st.DataObject
) -> None:
    """The first delivery is full; each may arrive at any time, and again."""
    hospital_told, deliveries = Told(), []
    for number, changes in enumerate(told):
        for change in changes:
            hospital_told.apply(change)
        made = hospital_told.changed()
        if made.resources:
            day = FIRST + timedelta(days=31 * number)
            deliveries.append((made, day, day, "incremental" if number else "full"))
    arriving = data.draw(st.permutations([*deliveries, *deliveries[:1]]))
    with opened(fhir_project) as one, opened(fhir_project) as other:
        for delivery in deliveries:
            one.take_in(*delivery)
        connection = None
        for number, delivery in enumerate(arriving):
            other.take_in(*delivery, folder=f"arrival-{number}")
            connection = other.build(connection)
        assert connection is not None
        with closing(one.build(None)) as full:
            assert_same(tables(connection), tables(full))


def two_persons() -> tuple[Told, str, str]:
    told = Told()
    for person in ("p0", "p1"):
        told.now.add_person(person)
        visit = told.now.add_visit(person, "2014-01-01")
    name = told.now.add_condition("p0", ASTHMA, "2014-02-01", "2014-02-01")
    return told, name, visit


@pytest.mark.parametrize("linked_by", ["a record that moves", "a visit that another one names"])
def test_persons_who_share_a_record_or_a_visit_are_built_together(
    fhir_project: CompiledProject, linked_by: str
) -> None:
    """Only p1 is in the second delivery; p0 changes all the same, and p2 does not."""
    told, name, visit = two_persons()
    told.now.add_person("p2")
    if linked_by.startswith("a visit"):
        told.now.change(name, encounter={"reference": f"Encounter/{visit}"}, onsetDateTime=None)
    with opened(fhir_project) as hospital:
        hospital.take_in(told.changed(), FIRST, FIRST, "full")
        connection = hospital.build(None)
        if linked_by.startswith("a visit"):
            told.now.change(visit, period={"start": "2015-01-01", "end": "2015-01-01"})
        else:
            told.now.change(name, subject={"reference": "Patient/p1"})
        second = date(2019, 1, 31)
        hospital.take_in(told.changed(), second, FIRST)
        connection = hospital.build(connection)
        with closing(connection), closing(fhir_project.build(hospital.paths)) as full:
            assert_same(tables(connection), tables(full))
        assert hospital.ways == ["full", "2"]


@pytest.mark.parametrize(
    ("change", "is_added"),
    [
        ({}, True),
        ({"kind": "full"}, False),
        ({"as_of": date(2018, 12, 31)}, False),
        ({"as_of": date(2018, 12, 31), "source_version": "2"}, True),
    ],
)
def test_only_a_later_incremental_delivery_is_added(change: dict[str, Any], is_added: bool) -> None:
    first = Delivery(FIRST, "", "d1", FIRST, "full", 1)
    said: dict[str, Any] = {
        "as_of": date(2019, 1, 31),
        "source_version": "",
        "delivery_id": "d2",
        "extracted_through": FIRST,
        "kind": "incremental",
        "generation": 1,
    }
    second = Delivery(**said | change)
    before, now = Inputs("t", "v", (first,)), Inputs("t", "v", (first, second))
    assert new_deliveries(before, now) == ((second,) if is_added else ())
    assert new_deliveries(Inputs("u", "v", (first,)), now) == ()
    assert new_deliveries(Inputs("t", "w", (first,)), now) == ()
    purged = Delivery(FIRST, "", "d1", FIRST, "full", 2)
    assert new_deliveries(before, Inputs("t", "v", (purged, second))) == ()
    assert new_deliveries(before, Inputs("t", "v", (second,))) == ()
    assert new_deliveries(before, before) == ()
    assert Inputs.from_dict(now.to_dict()) == now
