"""Families of checks that DQD lacks: what is told of one person, one visit, one day or one unit.

A visit and what happened at it are of one person. Fields that marts rest on are known for most
rows: days of supply (nearly every order has them), route (many an inpatient order lacks it). Of the
months of birth none is that of many: 3 % in one are an unknown day that was given a default.

Limits of values (`own_checks.csv`) say which values of a test would rather be of another unit. They
were set on simulated hospitals, well outside what those hold (half the 0.3 % and twice the 99.7 %
quantile; for the middle range the quartiles, likewise), and are no reference ranges.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pumasi.omop.cdm import cdm_tables
from pumasi.quality.catalogue.checks import ConcreteCheck
from pumasi.quality.catalogue.database import Cdm
from pumasi.quality.catalogue.groups import ASKED, GroupFamily
from pumasi.quality.catalogue.rows import Conditions, RowFamily, deaths

# Visit concepts of a stay: inpatient, emergency room and inpatient.
STAYS = (9201, 262)


def _said(cdm: Cdm, table: str) -> list[str]:
    """What a row says: every field that is there but its key and what it hangs on."""
    spec = cdm_tables()[table]
    of_visit = {"visit_occurrence_id", "visit_detail_id", "preceding_visit_occurrence_id"}
    return [
        cdm.column(table, field.name)
        for field in spec.fields
        if cdm.has(table, field.name)
        and not field.primary_key
        and (field.name not in of_visit or table == "visit_occurrence")
        and field.name != "preceding_visit_occurrence_id"
    ]


def _repeat_counts(cdm: Cdm, checks: Sequence[ConcreteCheck]) -> str:
    # A 64-bit hash in the place of the fields: of 100 million rows 3 in 10,000 tables have a
    # pair that is none.
    table = checks[0].table
    return (
        "select 0, sum(n - 1), sum(n) from (select count(*) as n"
        f" from {cdm.relation(table)} as t group by hash({', '.join(_said(cdm, table))}))"
    )


def _asked_once(number: int, check: ConcreteCheck) -> Iterator[Mapping[str, Any]]:
    yield {"number": number}


def _repeat_offenders(cdm: Cdm, check: ConcreteCheck) -> tuple[str, str]:
    said = ", ".join(_said(cdm, check.table))
    return (
        f"(select t.*, count(*) over (partition by hash({said})) as n"
        f" from {cdm.relation(check.table)} as t) as t",
        "t.n > 1",
    )


def _with_stays(cdm: Cdm, table: str, checks: Sequence[ConcreteCheck]) -> str:
    visit, concept, start, end = (
        cdm.column("visit_occurrence", name, "v")
        for name in (
            "visit_occurrence_id",
            "visit_concept_id",
            "visit_start_date",
            "visit_end_date",
        )
    )
    stays = (
        f"select {visit} as visit_id, min({start}::date) as began, max({end}::date) as ended"
        f" from {cdm.relation('visit_occurrence')} as v where {concept}::bigint in {STAYS}"
        " group by 1"
    )
    id_ = "visit_occurrence_id"
    key = cdm.like(table, id_, "visit_occurrence", id_)
    return f"{cdm.relation(table)} as t left join ({stays}) as s on s.visit_id = {key}"


def _stay_conditions(cdm: Cdm, check: ConcreteCheck) -> Conditions:
    day = f"{cdm.column(check.table, check.field)}::date"
    return Conditions(
        f"s.visit_id is not null and {day} is not null", f"{day} not between s.began and s.ended"
    )


def _with_deaths(cdm: Cdm, table: str, checks: Sequence[ConcreteCheck]) -> str:
    key = cdm.like(table, "person_id", "death", "person_id")
    return f"{cdm.relation(table)} as t left join ({deaths(cdm)}) as d on d.person_id = {key}"


def _death_conditions(cdm: Cdm, check: ConcreteCheck) -> Conditions:
    day = f"{cdm.column(check.table, check.field)}::date"
    return Conditions(f"d.person_id is not null and {day} is not null", f"{day} > d.died")


def _stays_in_order(cdm: Cdm, table: str, checks: Sequence[ConcreteCheck]) -> str:
    """Inpatient visits, each with the latest end of those of the person that began before it."""
    person, key, concept, start, end = (
        cdm.column(table, name)
        for name in (
            "person_id",
            "visit_occurrence_id",
            "visit_concept_id",
            "visit_start_date",
            "visit_end_date",
        )
    )
    return (
        f"(select t.*, max({end}::date) over (partition by {person}"
        f" order by {start}::date, {end}::date, {key}"
        f" rows between unbounded preceding and 1 preceding) as ended"
        f" from {cdm.relation(table)} as t where {concept}::bigint in {STAYS}) as t"
    )


def _overlap_conditions(cdm: Cdm, check: ConcreteCheck) -> Conditions:
    start = f"{cdm.column(check.table, 'visit_start_date')}::date"
    return Conditions("true", f"coalesce({start} < t.ended, false)")


def _with_visitors(cdm: Cdm, table: str, checks: Sequence[ConcreteCheck]) -> str:
    id_ = "visit_occurrence_id"
    visit, person = (cdm.column("visit_occurrence", name, "v") for name in (id_, "person_id"))
    # Of two rows of a visit either person will do: that there are two is what keys are asked for.
    visitors = (
        f"select {visit} as visit_id, min({person}) as person_id, max({person}) as other_id"
        f" from {cdm.relation('visit_occurrence')} as v group by 1"
    )
    key = cdm.like(table, id_, "visit_occurrence", id_)
    return f"{cdm.relation(table)} as t left join ({visitors}) as v on v.visit_id = {key}"


def _visitor_conditions(cdm: Cdm, check: ConcreteCheck) -> Conditions:
    person = cdm.like(check.table, "person_id", "visit_occurrence", "person_id")
    return Conditions("v.person_id is not null", f"{person} not in (v.person_id, v.other_id)")


def _rows(cdm: Cdm, table: str, checks: Sequence[ConcreteCheck]) -> str:
    return f"{cdm.relation(table)} as t"


def _known_conditions(cdm: Cdm, check: ConcreteCheck) -> Conditions:
    field = cdm.column(check.table, check.field)
    if not check.field.endswith("_concept_id"):
        return Conditions("true", f"{field} is null")
    other = cdm.column(check.table, check.field, "k")
    known = f"exists (from {cdm.relation(check.table)} as k where coalesce({other}, 0) <> 0)"
    return Conditions(known, f"coalesce({field}, 0) = 0")


def _births(cdm: Cdm) -> tuple[str, str]:
    year, month = (cdm.column("person", name) for name in ("year_of_birth", "month_of_birth"))
    return year, month


def _commonest_birth(cdm: Cdm) -> str:
    year, month = _births(cdm)
    return (
        f"select {year} as year, {month} as month, count(*) as n, sum(n) over () as persons"
        f" from {cdm.relation('person')} as t where {year} is not null and {month} is not null"
        " group by 1, 2 order by n desc, 1, 2 limit 1"
    )


def _birth_counts(cdm: Cdm, checks: Sequence[ConcreteCheck]) -> str:
    return f"select 0, n, persons from ({_commonest_birth(cdm)})"


def _birth_offenders(cdm: Cdm, check: ConcreteCheck) -> tuple[str, str]:
    year, month = _births(cdm)
    return (
        f"{cdm.relation('person')} as t, ({_commonest_birth(cdm)}) as b",
        f"{year} = b.year and {month} = b.month",
    )


def _value_counts(cdm: Cdm, checks: Sequence[ConcreteCheck]) -> str:
    concept, unit, value = _value_columns(cdm, checks[0])
    return (
        f"select number, count(*) filter ({value} not between low and high), count({value})"
        f" from {cdm.relation(checks[0].table)} as t join {ASKED} as asked"
        f" on {concept} = asked.concept_id and {unit} = asked.unit_id group by number"
    )


def _value_asked(number: int, check: ConcreteCheck) -> Iterator[Mapping[str, Any]]:
    concept, unit = check.concept_ids
    low, high = _limits(check)
    yield {"number": number, "concept_id": concept, "unit_id": unit, "low": low, "high": high}


def _value_offenders(cdm: Cdm, check: ConcreteCheck) -> tuple[str, str]:
    concept, unit, value = _value_columns(cdm, check)
    (concept_id, unit_id), (low, high) = check.concept_ids, _limits(check)
    return (
        f"{cdm.relation(check.table)} as t",
        f"{concept} = {concept_id} and {unit} = {unit_id} and {value} not between {low} and {high}",
    )


def _value_columns(cdm: Cdm, check: ConcreteCheck) -> tuple[str, str, str]:
    concept, unit = (
        f"{cdm.column(check.table, name)}::bigint"
        for name in ("measurement_concept_id", "unit_concept_id")
    )
    return concept, unit, f"{cdm.column(check.table, check.field)}::double"


def _limits(check: ConcreteCheck) -> tuple[float, float]:
    low, high = check.value.split(",")
    return float(low), float(high)


OWN_FAMILIES: Mapping[str, RowFamily | GroupFamily] = {
    "repeats": GroupFamily(_repeat_counts, _asked_once, _repeat_offenders),
    "stays": RowFamily(_with_stays, _stay_conditions),
    "deaths": RowFamily(_with_deaths, _death_conditions),
    "overlaps": RowFamily(_stays_in_order, _overlap_conditions),
    "visitors": RowFamily(_with_visitors, _visitor_conditions),
    "known": RowFamily(_rows, _known_conditions),
    "births": GroupFamily(_birth_counts, _asked_once, _birth_offenders),
    "values": GroupFamily(_value_counts, _value_asked, _value_offenders),
}
