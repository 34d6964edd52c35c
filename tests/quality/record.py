"""A record of many persons for tests of what compares months and releases: made in SQL, by rule.

Every person is observed from 2020 to the end of `months` months and has in each month one visit,
one condition and one creatinine. What a test changes, it changes in SQL.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pumasi.quality.catalogue import Cdm
from pumasi.quality.characterisation import characterise
from pumasi.quality.drift import Compared
from tests.quality.catalogue.tiny import tiny_cdm

CREATININE, MG_DL, UMOL_L = 3016723, 8840, 8749
PERSONS = 200

_RECORD = (
    """
    insert into person (person_id, gender_concept_id, year_of_birth)
    select i, case when i % 2 = 0 then 8507 else 8532 end, 1940 + i % 60 from range($persons) r(i)
    """,
    """
    insert into observation_period (
        person_id, observation_period_start_date, observation_period_end_date
    )
    select i, date '2020-01-01', last_day((date '2020-01-01' + to_months($months - 1))::date)
    from range($persons) r(i)
    """,
    """
    create temp table days as
    select i as person_id, m as month_no,
        (date '2020-01-01' + to_months(m::integer) + to_days((i % 28)::integer))::date as day
    from range($persons) p(i), range($months) q(m)
    """,
    """
    insert into visit_occurrence (
        visit_occurrence_id, person_id, visit_concept_id, visit_start_date, visit_end_date
    )
    select person_id * 1000 + month_no, person_id, 9202, day, day from days
    """,
    """
    insert into condition_occurrence (
        condition_occurrence_id, person_id, condition_concept_id, condition_start_date,
        condition_source_value
    )
    select person_id * 1000 + month_no, person_id, case when person_id % 3 = 0 then 317009
        else 255573 end, day, 'code' from days
    """,
    f"""
    insert into measurement (
        measurement_id, person_id, measurement_concept_id, measurement_date, value_as_number,
        unit_concept_id
    )
    select person_id * 1000 + month_no, person_id, {CREATININE}, day,
        0.5 + (person_id * 7 + month_no * 13) % 100 / 100, {MG_DL} from days
    """,
)


def record(months: int = 24, persons: int = PERSONS) -> Cdm:
    """The record of that many persons, over that many months from January 2020 on."""
    cdm = tiny_cdm()
    for query in _RECORD:
        used = {"persons": persons, "months": months}
        named = {name: value for name, value in used.items() if f"${name}" in query}
        cdm.connection.execute(query, named)
    cdm.connection.execute(
        "insert into concept (concept_id, concept_name) values "
        f"({CREATININE}, 'Creatinine'), ({MG_DL}, 'milligram per deciliter'), "
        f"({UMOL_L}, 'micromole per liter'), (317009, 'Asthma'), (8507, 'MALE')"
    )
    return cdm


def ask(found: pa.Table, query: str) -> list[tuple[Any, ...]]:
    """Rows of a query on a characterisation, called `found`."""
    with duckdb.connect() as connection:
        connection.register("found", found)
        return connection.execute(query).fetchall()


def characterised(cdm: Cdm, *changes: str) -> pa.Table:
    """What the record holds after the changes."""
    for change in changes:
        cdm.connection.execute(change)
    return characterise(cdm)


def compared(cdm: Cdm, folder: Path, *changes: str) -> Compared:
    """The record after the changes as one of two that are compared; the folder is its own."""
    found = characterised(cdm, *changes)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "person.parquet"
    cdm.connection.sql(
        "select person_id, gender_concept_id, year_of_birth from person"
    ).write_parquet(str(file))
    return Compared(found, file)
