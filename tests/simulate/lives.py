"""Small lives made by hand, for the tests of what hospitals write down of them."""

from __future__ import annotations

from dataclasses import MISSING, fields
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from pumasi.simulate.life import SCHEMAS, Life
from pumasi.simulate.world import Chunk, World

DAY = date(2020, 3, 2)
NEEDED = {each.name for each in fields(Life) if each.default_factory is MISSING}


def life_of(**rows: list[dict[str, object]]) -> Life:
    """A life whose tables have these rows; what a row leaves out is null."""
    found = {}
    for name, schema in SCHEMAS.items():
        given = rows.get(name, [])
        columns = [pa.array([row.get(f.name) for row in given], _plain(f.type)) for f in schema]
        arrays = [c.cast(f.type) for c, f in zip(columns, schema, strict=True)]
        if name in NEEDED:
            found[name] = pa.table(arrays, schema=schema)
    nothing = pa.table({"person": pa.array([], pa.int64())})
    rest = {f.name: nothing for f in fields(Life) if f.name not in found and f.name in NEEDED}
    return Life(**found, **rest)


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def crowd(chunk: Chunk, world: World, second: str | None = None) -> Life:
    """Patients with visits, asthma for every third, attacks, drugs and results, by a seed."""
    draw = world.generator(chunk, "test:crowd")
    persons, onsets, attacks, visits, treatments, tests, events = [], [], [], [], [], [], []
    for number in range(chunk.persons):
        person = chunk.first_person + number
        sick = number % 3 == 0
        died = DAY + timedelta(days=1500) if number % 10 == 9 else None
        persons.append(
            {
                "person": person, "hospital": chunk.hospital,
                "second_hospital": second if number % 4 == 0 else None,
                "birth_date": date(1960 + number % 40, 5, 17), "female": number % 2 == 0,
                "entry_date": DAY, "death_date": died, "asthma": sick, "smoker": False,
                "endotype": "T2_allergic" if sick else None,
            }
        )  # fmt: skip
        onsets.append(
            {"person": person, "condition": "hypertension", "onset_date": DAY,
             "recognised_date": DAY + timedelta(days=10)}
        )  # fmt: skip
        if sick:
            onsets.append(
                {"person": person, "condition": "asthma", "onset_date": date(2015, 1, 1),
                 "recognised_date": DAY}
            )  # fmt: skip
        for month in range(40):
            day = DAY + timedelta(days=month * 30 + int(draw.integers(0, 20)))
            visits.append(
                {"person": person, "date": day, "kind": "outpatient", "days": 0,
                 "specialty": "pulmonology" if sick else "general", "reason": None}
            )  # fmt: skip
            treatments.append(
                {"person": person, "drug": "budesonide_formoterol" if sick else "amlodipine",
                 "start_date": day, "days_supply": 30, "quantity": 60.0, "dose": 320.0,
                 "route": "inhalation" if sick else "oral"}
            )  # fmt: skip
            tested = draw.random() < 0.25
            for test, value in (
                ("eosinophils", 300.0),
                ("fev1_fvc", 71.0),
                ("lyso_gb3", 10.0),
                ("creatinine", 0.9),
                ("feno", 31.0),
                ("fev1", 2.31),
            ):
                if tested and draw.random() < 0.8:
                    tests.append(
                        {
                            "person": person,
                            "date": day,
                            "test": test,
                            "value": value * float(np.exp(draw.normal(0, 0.1))),
                            "done": True,
                        }
                    )
            if sick and month % 6 == 5:
                kind = ("ocs_outpatient", "injection_outpatient", "ed", "hospital")[number // 3 % 4]
                attacks.append(
                    {
                        "person": person,
                        "date": day + timedelta(days=3),
                        "kind": kind,
                        "days": 6,
                        "fatal": False,
                    }
                )
        events.append({"person": person, "event": "ankle_sprain", "date": DAY + timedelta(90)})
    return life_of(
        persons=persons,
        onsets=onsets,
        attacks=attacks,
        visits=visits,
        treatments=treatments,
        tests=tests,
        events=events,
    )
