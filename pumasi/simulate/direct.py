"""From what hospitals recorded straight to their marts: no files, no reading, no merge.

A study of a method needs hundreds of networks, and of each only the marts. What the way through
files settles of a single full delivery follows from the record: those tables are made here, and
everything below them is the project's own SQL. A test holds the marts of both ways to each other,
row by row (`tests/simulate/test_direct.py`).

What a format does not carry of the record is data: `TRAITS` says it, one line per hospital and
kind of row. What no mart reads (codes as written, types) is null here.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa

from pumasi.compiled import CompiledProject, compile_project
from pumasi.config import SiteConfig, SitePaths
from pumasi.config.site import SourceConfig, VocabularyConfig
from pumasi.errors import ConfigError
from pumasi.extract import read_vocabulary
from pumasi.extract.pseudonym import register
from pumasi.simulate.life import live
from pumasi.simulate.record import Record, record
from pumasi.simulate.run import Lives, cuts
from pumasi.simulate.world import World
from pumasi.simulate.writers import Cut, define_views
from pumasi.simulate.writers.omop_cdm import EHR

# The tables that are made of the record; the models above them aren't run.
GIVEN = (
    "int_persons_settled", "int_visits_settled", "int_events_mapped", "int_deaths_settled",
    "int_observation_periods_settled", "int_coverage",
)  # fmt: skip
# Persons who don't exist need no secret: with one key for all, the same seed gives the same rows.
KEY = sha256(b"pumasi simulate marts").digest()
# The SQL above GIVEN is the same for every format.
_ANY_FORMAT = "omop_cdm"

# Which day a format gives as that on which a row was written down.
_WRITTEN, _ITSELF, _VISIT = "e.recorded_date", "e.event_date", "v.event_date"
# FHIR: what a nurse gave is an administration, which has no supply.
_HANDED_OUT = "coalesce(e.route, '') not in ('intravenous', 'subcutaneous', 'intramuscular')"


@dataclass(frozen=True)
class Traits:
    """What a hospital's format carries of its record; texts are SQL on a row `e` of it.

    `person` is the identifier that the hospital writes. `known` says of each kind of row which day
    counts as that of writing: the stated one, the event's own, or that of its visit. `condition` is
    which diagnoses are meant. `supply`, `quantity` and `route` are what it says of a drug,
    `ends_after` the days after which that ends, if it says those without the supply. `has_row_ids`:
    if not, a row that is written twice is one row. `states_periods`: it states observation periods
    itself.
    """

    person: str
    known: Mapping[str, str]
    condition: str = "true"
    supply: str = "e.days_supply"
    quantity: str = "e.quantity"
    route: str = "e.route_id"
    ends_after: str = ""
    has_row_ids: bool = True
    states_periods: bool = False


def _known(
    conditions: str, drugs: str, procedures: str, measurements: str, observations: str
) -> dict[str, str]:
    return {
        "conditions": conditions,
        "drugs": drugs,
        "procedures": procedures,
        "measurements": measurements,
        "observations": observations,
    }


TRAITS = {
    "haneul": Traits(
        person="'H' || e.person",
        known=_known(_WRITTEN, _WRITTEN, _WRITTEN, _WRITTEN, _WRITTEN),
        condition="e.role <> 'ruleout'",
    ),
    "bada": Traits(
        person="e.person::varchar",
        known=_known(_VISIT, _VISIT, _VISIT, _VISIT, _VISIT),
        states_periods=True,
    ),
    "sup": Traits(
        person="'p' || e.person",
        known=_known(_WRITTEN, _ITSELF, _VISIT, _WRITTEN, _ITSELF),
        supply=f"case when {_HANDED_OUT} then e.days_supply end",
        quantity=f"case when {_HANDED_OUT} then e.quantity end",
    ),
    "deul": Traits(
        person="md5('patient ' || e.person)::uuid::varchar",
        known=_known(_VISIT, _ITSELF, _VISIT, _ITSELF, _ITSELF),
        supply="null::integer",
        quantity="null::double",
        route="null",
        ends_after="e.days_supply",
        has_row_ids=False,
    ),
}


@dataclass(frozen=True)
class _Kind:
    """One kind of event: where a code without a concept stays, and the columns only it has."""

    table: str
    end_date: str = "null::date"
    quantity: str = "null::double"
    days_supply: str = "null::integer"
    route: str = "null"
    value: str = "null::double"
    value_concept_id: str = "null::integer"
    unit_id: str = "null::integer"
    unit: str = "null::varchar"
    only: str = "true"


def _kinds(traits: Traits) -> dict[str, _Kind]:
    return {
        "conditions": _Kind("condition_occurrence", only=traits.condition),
        "drugs": _Kind(
            "drug_exposure",
            end_date=f"e.event_date + greatest({traits.ends_after or traits.supply}, 1) - 1",
            quantity=traits.quantity,
            days_supply=traits.supply,
            route=traits.route,
        ),
        "procedures": _Kind("procedure_occurrence"),
        "measurements": _Kind(
            "measurement",
            value="e.value",
            value_concept_id="e.value_concept_id",
            unit_id="e.unit_id",
            unit="e.unit",
        ),
        "observations": _Kind("observation"),
    }


@dataclass(frozen=True)
class Workshop:
    """What the marts of every network are made with: the compiled project and a vocabulary."""

    project: CompiledProject
    paths: SitePaths


def workshop(folder: Path) -> Workshop:
    """Compile the project and write the vocabulary into an empty folder; takes dbt ten seconds.

    Raises CompileError if dbt can't compile the project.
    """
    config = SiteConfig(
        id="direct",
        name="direct",
        format=_ANY_FORMAT,
        source=SourceConfig(url=str(folder)),
        vocabulary=VocabularyConfig(source="project"),
    )
    paths = SitePaths.of(config.id, folder)
    read_vocabulary(config, [], paths)
    return Workshop(compile_project(_ANY_FORMAT, folder / "compiled"), paths)


def mart_names(project: CompiledProject) -> list[str]:
    """Return the names of the marts, in the order in which they are built."""
    return [model.name for model in project.models if model.schema == "marts"]


def network_record(world: World, lives: Lives = live) -> Record:
    """Return what all hospitals of `world` recorded, made in one process.

    A hospital's rows may come from the lives of another's patients, so all chunks are needed.
    """
    parts = [record(lives(chunk, world), chunk, world).tables() for chunk in world.chunks()]
    return Record(**{name: pa.concat_tables([part[name] for part in parts]) for name in parts[0]})


def hospital_marts(
    made_with: Workshop,
    written: Record,
    hospital: str,
    cut: Cut,
    key: bytes = KEY,
    threads: int = 1,
) -> duckdb.DuckDBPyConnection:
    """Return a warehouse with the marts of `hospital`, from what stood in its database at `cut`.

    Args:
        made_with: compiled project and vocabulary.
        written: the record of all lives; rows of other hospitals are left out.
        hospital: one of TRAITS.
        cut: the delivery; a full one.
        key: the hospital's pseudonymisation key.
        threads: of DuckDB; with one the rows have the same order each time.

    The caller closes the connection. Tables are in `intermediate` and `marts`; `drug_exposure` and
    the like are views there (`int_drug_exposures`, …).
    """
    project = made_with.project
    needed = project.needed(mart_names(project), GIVEN)
    connection = project.open(seeds=needed | {"domain_tables"}, threads=threads)
    concepts = project.needed({"stg_vocabulary__concepts"})
    project.run(connection, made_with.paths, concepts)
    register(connection, key)
    define_views(connection, written, hospital, cut)
    traits = TRAITS[hospital]
    connection.execute(f"create temp table people as {_people(traits)}")
    for name, query in _given(traits, cut).items():
        connection.execute(f"create table intermediate.{name} as {query}")
    project.run(connection, made_with.paths, needed - concepts)
    return connection


@dataclass(frozen=True)
class Written:
    """What one network gave: its seed, and the rows of all marts by hospital."""

    seed: int
    rows: dict[str, int]


def simulate_marts(
    world: World,
    networks: int,
    out: Path,
    processes: int = 1,
    progress: Callable[[Written], None] = lambda written: None,
    *,
    lives: Lives | None = None,
) -> None:
    """Write the marts of networks that differ in their seed: `world.seed` and those after it.

    They are `out/<seed>/<hospital>/<mart>.parquet`; networks that are there are replaced, one that
    isn't finished isn't there. The same world gives the same bytes, whatever `processes` are.

    Args:
        world: what is simulated; its seed is that of the first network.
        networks: how many, at least 1.
        out: folder of the networks.
        processes: how many are made at a time; each needs about 1 GB at 10,000 persons.
        progress: called after each network.
        lives: makes the life of a chunk; the default is the simulator's.

    Raises:
        ConfigError: no network is asked for.
        CompileError: dbt can't compile the project.
    """
    if networks < 1:
        raise ConfigError("at least one network must be asked for")
    worlds = [replace(world, seed=world.seed + number) for number in range(networks)]
    with TemporaryDirectory() as folder:
        one = partial(_network, workshop(Path(folder)), out=out.resolve(), lives=lives or live)
        for written in _each(one, worlds, processes):
            progress(written)


def _each(
    one: Callable[[World], Written], worlds: Sequence[World], processes: int
) -> Iterator[Written]:
    if processes <= 1 or len(worlds) == 1:
        yield from map(one, worlds)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(one, worlds)


def _network(made_with: Workshop, world: World, out: Path, lives: Lives) -> Written:
    """Write the marts of one network beside its place, and put it there when it is whole."""
    whole, part = out / str(world.seed), out / f".{world.seed}"
    shutil.rmtree(part, ignore_errors=True)
    rows = write_marts(made_with, world, part, lives)
    shutil.rmtree(whole, ignore_errors=True)
    part.rename(whole)
    return Written(world.seed, rows)


def write_marts(
    made_with: Workshop, world: World, out: Path, lives: Lives = live
) -> dict[str, int]:
    """Write the marts of each hospital of `world` as `out/<hospital>/<mart>.parquet`.

    The same world gives the same bytes. Returns the rows by hospital.
    """
    written = network_record(world, lives)
    rows = {}
    for hospital in world.hospitals:
        folder = out / hospital
        folder.mkdir(parents=True, exist_ok=True)
        with hospital_marts(made_with, written, hospital, cuts(world)[-1]) as connection:
            rows[hospital] = sum(_write(connection, made_with.project, folder))
    return rows


def _write(
    connection: duckdb.DuckDBPyConnection, project: CompiledProject, folder: Path
) -> Iterator[int]:
    """Write every mart and yield its rows."""
    for name in mart_names(project):
        target = str(folder / f"{name}.parquet").replace("'", "''")
        done = connection.execute(
            f"copy (select * from marts.{name} order by all) to '{target}' "
            "(format parquet, compression zstd)"
        )
        yield done.fetchall()[0][0]


# -- what is settled ---------------------------------------------------------------------------


def _place(table: str, row: str) -> str:
    """SQL: where a row came from, and that it stays; there is no delivery."""
    return (
        f"null::varchar as delivery_id, '{table}' as source_table, 0 as file_no, "
        f"{row} as line_no, 'in_omop' as fate, null::varchar as rule"
    )


def _given(traits: Traits, cut: Cut) -> dict[str, str]:
    """Return the queries of the tables GIVEN."""
    return {
        "int_coverage": f"select date '{cut.through}' as extracted_through",
        "int_persons_settled": _persons(traits),
        "int_deaths_settled": f"""
            select {_place("deaths", "people.person")}, people.person_id,
                e.event_date as death_date, {EHR} as death_type_concept_id,
                null::integer as cause_concept_id, null::integer as cause_source_concept_id,
                e.event_date, e.event_date as known_date
            from deaths as e inner join people on e.person = people.person
        """,
        "int_observation_periods_settled": f"""
            select {_place("periods", "people.person")}, people.person as observation_period_id,
                people.person_id, e.registered_date as observation_period_start_date,
                least(e.death_date, date '{cut.through}') as observation_period_end_date,
                {EHR} as period_type_concept_id
            from known as e inner join people on e.person = people.person
            where {traits.states_periods}
        """,
        "int_visits_settled": _visits(cut),
        "int_events_mapped": _events(traits),
    }


def _people(traits: Traits) -> str:
    """One row per person: its number in the record, its pseudonym and its key for splits."""
    return f"""
        select e.person, pseudonym('person', {traits.person}) as person_id,
            (pseudonym('split', {traits.person}) % 100)::integer as split_key
        from persons as e
    """


def _persons(traits: Traits) -> str:
    return f"""
        select {_place("persons", "people.person")}, people.person_id, people.split_key,
            {traits.states_periods} as period_is_delivered,
            case when e.female then 8532 else 8507 end as gender_concept_id,
            year(e.birth_date)::integer as year_of_birth,
            month(e.birth_date)::integer as month_of_birth,
            0 as race_concept_id, 0 as ethnicity_concept_id, null::bigint as location_id,
            null::bigint as provider_id, null::bigint as care_site_id,
            null::varchar as gender_source_value, null::varchar as race_source_value,
            null::varchar as ethnicity_source_value
        from persons as e inner join people on e.person = people.person
    """


def _visits(cut: Cut) -> str:
    """A visit is never corrected, and is known when it begins."""
    return f"""
        select {_place("visits", "e.row_id")}, e.visit_id as visit_occurrence_id,
            people.person_id,
            case e.kind when 'inpatient' then 9201 when 'emergency' then 9203 else 9202 end
                as visit_concept_id,
            e.event_date as visit_start_date, e.end_date as visit_end_date,
            {EHR} as visit_type_concept_id, null::varchar as visit_source_value,
            null::integer as visit_source_concept_id, null::integer as admitted_from_concept_id,
            null::integer as discharged_to_concept_id,
            null::bigint as preceding_visit_occurrence_id, null::bigint as provider_id,
            null::bigint as care_site_id,
            e.event_date, e.event_date as known_date, e.event_date as details_known_date,
            1 as first_delivery_no, date '{cut.as_of}' as first_as_of
        from visits as e inner join people on e.person = people.person
    """


def _events(traits: Traits) -> str:
    """Events in the terms of OMOP: a concept's domain says in which table it is."""
    every = "\nunion all\n".join(
        _of_kind(number, name, kind, traits)
        for number, (name, kind) in enumerate(_kinds(traits).items())
    )
    if not traits.has_row_ids:
        every = (
            f"select min(event_id) as event_id, * exclude (event_id) from ({every}) group by all"
        )
    return f"""
        select {_place("events", "every.event_id")}, 0 as part, 1 as target_no,
            case when every.concept_id = 0 or concepts.domain_id is null then every.own_table
                else coalesce(domain_tables.omop_table, 'observation') end as omop_table,
            every.event_id as omop_id, people.person_id, true as visit_is_named,
            every.visit_id as visit_occurrence_id, every.event_date, every.end_date,
            every.known_date, every.known_date as details_known_date, every.concept_id,
            null::varchar as source_value, 0 as source_concept_id, {EHR} as type_concept_id,
            null::integer as condition_status_concept_id, null::date as verbatim_end_date,
            null::integer as refills, every.quantity, every.days_supply,
            every.route_concept_id, null::integer as modifier_concept_id,
            null::integer as operator_concept_id, every.value as value_as_number,
            null::varchar as value_as_string, every.value_concept_id as value_as_concept_id,
            null::varchar as value_source_value, null::integer as qualifier_concept_id,
            every.unit_id as unit_concept_id, every.unit as unit_source_value,
            null::double as range_low, null::double as range_high,
            null::integer as anatomic_site_concept_id,
            null::integer as disease_status_concept_id
        from ({every}) as every
        inner join people on every.person = people.person
        left join staging.stg_vocabulary__concepts as concepts
            on every.concept_id = concepts.concept_id
        left join intermediate.domain_tables as domain_tables
            on concepts.domain_id = domain_tables.domain_id
    """


def _of_kind(number: int, name: str, kind: _Kind, traits: Traits) -> str:
    """SELECT of the events of one record table, each with an id that no other kind gives."""
    return f"""
        select e.row_id * 8 + {number} as event_id, '{kind.table}' as own_table, e.person,
            e.visit_id, coalesce(e.code, e.local_code) as code, e.concept_id::integer as concept_id,
            e.event_date, {kind.end_date} as end_date,
            greatest(e.event_date, {traits.known[name]}) as known_date,
            {kind.quantity} as quantity, {kind.days_supply} as days_supply, {kind.value} as value,
            {kind.route}::integer as route_concept_id,
            {kind.value_concept_id}::integer as value_concept_id,
            {kind.unit_id}::integer as unit_id, {kind.unit} as unit
        from {name} as e inner join visits as v on e.visit_id = v.visit_id
        where {kind.only}
    """
