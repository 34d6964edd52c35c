"""A life: what is true of persons, whether or not a hospital ever wrote it down.

`live` puts together the parts of a chunk's lives: who there is, what they fall ill with, Fabry
disease, asthma, ordinary care. Death ends a life whichever part brings it. No row lies after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

import numpy as np
import pyarrow as pa

from pumasi.simulate.asthma import AsthmaLife, asthma_life
from pumasi.simulate.background import Events, Morbidity, deaths_of, events_of, morbidity_of
from pumasi.simulate.care import labs_of, treatments_of, visits_of
from pumasi.simulate.columns import (
    NEVER,
    dates,
    day_number,
    days_of,
    places_of,
    stacked,
    table_of,
    word,
    words,
)
from pumasi.simulate.fabry_care import fabry_life
from pumasi.simulate.fabry_diagnosis import carriers_of
from pumasi.simulate.parameters import parameters
from pumasi.simulate.population import People, persons_of
from pumasi.simulate.schemas import SCHEMAS, WORD
from pumasi.simulate.world import Chunk, World

__all__ = ["SCHEMAS", "WORD", "Life", "live"]

# The column that says when a row of a table happened; a row is cut when that is after death.
_HAPPENED = {
    "onsets": "onset_date",
    "events": "date",
    "attacks": "date",
    "attacks_seen": "date",
    "visits": "date",
    "treatments": "start_date",
    "tests": "date",
    "asthma_months": "month",
}
# Columns that say when a thing of a row became known or was done; later than death, it never was.
_LATER = {
    "onsets": ("recognised_date",),
    "fabry": ("suspicion_date", "diagnosis_date", "treated_from"),
}


@dataclass(frozen=True)
class Life:
    """The tables of one chunk; `SCHEMAS` says the columns of those that are fixed.

    `fabry`, `asthma_months` (one row per asthmatic and month), `fabry_years` (one row per carrier
    and year), `attacks_seen` and `biologic_starts` are truth that no record is made of; the columns
    of those that have no schema are what the model of asthma says.
    """

    persons: pa.Table
    onsets: pa.Table
    events: pa.Table
    attacks: pa.Table
    visits: pa.Table
    treatments: pa.Table
    tests: pa.Table
    fabry: pa.Table
    asthma_months: pa.Table
    fabry_years: pa.Table
    attacks_seen: pa.Table = field(default_factory=lambda: pa.table({}))
    biologic_starts: pa.Table = field(default_factory=lambda: pa.table({}))

    def tables(self) -> dict[str, pa.Table]:
        """Return the tables by name, in a fixed order."""
        return {part.name: getattr(self, part.name) for part in fields(self)}


def live(chunk: Chunk, world: World) -> Life:
    """Return the lives of the persons of `chunk`, a function of `world` and the chunk only."""
    persons = persons_of(chunk, world)
    people = People.of(persons)
    draw = world.generator(chunk, "background")
    morbidity = morbidity_of(draw, people)
    carriers = carriers_of(world.generator(chunk, "fabry"), people, chunk.hospital, world)
    death = deaths_of(draw, people, morbidity, world)
    # A carrier's death is the disease model's, of whatever cause; later ones aren't simulated.
    of_carriers = carriers.day(carriers.lived.death)
    death[carriers.row] = of_carriers
    death[death >= day_number(world.end)] = NEVER
    people = replace(people, death=death)
    persons = _with_deaths(persons, dates(death))
    asthma = asthma_life(persons, parameters("asthma"), world, world.generator(chunk, "asthma"))
    events = events_of(draw, people, morbidity, world)
    visits = visits_of(draw, people, morbidity, events, chunk.hospital, world)
    fabry = fabry_life(
        world.generator(chunk, "fabry_care"),
        people,
        morbidity,
        visits,
        carriers,
        chunk.hospital,
        world,
    )
    parts = {
        "onsets": [_onsets(people, morbidity), fabry.onsets, asthma.onsets],
        "events": [_events(people, events), fabry.events, asthma.events],
        "attacks": [asthma.attacks],
        "visits": [visits.table(people), fabry.visits, asthma.visits],
        "treatments": [
            treatments_of(draw, people, morbidity, visits),
            fabry.treatments,
            asthma.treatments,
        ],
        "tests": [
            labs_of(draw, people, morbidity, visits, chunk.hospital),
            fabry.tests,
            asthma.tests,
        ],
    }
    tables = {name: stacked(name, tables) for name, tables in parts.items()}
    tables["onsets"] = _once(tables["onsets"])
    tables |= {"fabry": fabry.fabry, "fabry_years": fabry.fabry_years}
    tables |= {
        name: getattr(asthma, name) for name in ("attacks_seen", "asthma_months", "biologic_starts")
    }
    persons = _with_fatal_attacks(persons, asthma)
    return Life(persons=persons, **_cut_at_death(persons, tables))


def _onsets(people: People, morbidity: Morbidity) -> pa.Table:
    """Return the conditions that begin before death; who has died is not recognised any more."""
    place, row = (morbidity.onset < people.death).nonzero()
    known = morbidity.recognised[place, row]
    known[known >= people.death[row]] = NEVER
    return table_of(
        "onsets",
        {
            "person": people.person[row],
            "condition": words(place, morbidity.names),
            "onset_date": morbidity.onset[place, row],
            "recognised_date": known,
            "note": word(None, len(row)),
        },
    )


def _events(people: People, events: Events) -> pa.Table:
    return table_of(
        "events",
        {
            "person": people.person[events.row],
            "event": words(events.event, events.names),
            "date": events.day,
        },
    )


def _with_deaths(persons: pa.Table, deaths: pa.Array) -> pa.Table:
    place = persons.schema.get_field_index("death_date")
    return persons.set_column(place, persons.schema.field(place), deaths)


def _with_fatal_attacks(persons: pa.Table, asthma: AsthmaLife) -> pa.Table:
    """Return `persons` with the day of a fatal attack as the day of death, if it comes first."""
    death = days_of(persons["death_date"])
    fatal = asthma.attacks.filter(asthma.attacks["fatal"])
    row = fatal["person"].to_numpy() - persons["person"][0].as_py()
    np.minimum.at(death, row, days_of(fatal["date"]))
    return _with_deaths(persons, dates(death))


def _once(onsets: pa.Table) -> pa.Table:
    """Return each condition of a person once, as it began first, whichever part says so.

    Being recognised counts from the first time that any part had it recognised.
    """
    place = places_of(onsets["condition"], onsets["condition"].chunk(0).dictionary.to_pylist())
    person, onset = onsets["person"].to_numpy(), days_of(onsets["onset_date"])
    known = days_of(onsets["recognised_date"])
    order = np.lexsort((known, onset, place, person))
    same = (np.diff(person[order]) == 0) & (np.diff(place[order]) == 0)
    first = np.flatnonzero(np.concatenate([[True], ~same]))
    earliest = np.minimum.reduceat(known[order], first)
    kept = onsets.take(order[first])
    field = onsets.schema.get_field_index("recognised_date")
    return kept.set_column(field, onsets.schema.field(field), dates(earliest))


def _cut_at_death(persons: pa.Table, tables: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    """Return the tables without what would have come after death."""
    death, first = days_of(persons["death_date"]), persons["person"][0].as_py()
    cut = {}
    for name, table in tables.items():
        of_person = death[table["person"].to_numpy() - first]
        if name in _HAPPENED:
            alive = days_of(table[_HAPPENED[name]]) <= of_person
            table, of_person = table.filter(pa.array(alive)), of_person[alive]
        for column in _LATER.get(name, ()):
            day = days_of(table[column])
            field = table.schema.get_field_index(column)
            day = np.where(day <= of_person, day, NEVER)
            table = table.set_column(field, table.schema.field(field), dates(day))
        cut[name] = table
    return cut
