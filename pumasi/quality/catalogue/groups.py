"""Families of checks that look at concepts: rows are counted by value first, then judged.

A table has few distinct concepts and many rows. So its values are counted in one pass, and the
counts are joined with the vocabulary and with the checks, which are registered as a table: what is
expected of which field or concept is data, not SQL. A family is counted in one query per table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pumasi.quality.catalogue.checks import ConcreteCheck
from pumasi.quality.catalogue.database import Cdm

# Concepts of Gender, the same in every release of the vocabularies.
GENDERS = {"Male": 8507, "Female": 8532}
# How DQD's lists of units say that a missing unit is plausible.
NO_UNIT = -1

ASKED = "catalogue_asked"
_DESCENDANTS = "plausibleGenderUseDescendants"


@dataclass(frozen=True)
class GroupFamily:
    """A family: the query for its counts, what a check adds to the table of those asked, and
    the relation and condition that find the offenders of one check.

    The query gives number of the check, violations and denominator; it may leave out checks
    that have no row at all.
    """

    query: Callable[[Cdm, Sequence[ConcreteCheck]], str]
    asked: Callable[[int, ConcreteCheck], Iterator[Mapping[str, Any]]]
    found: Callable[[Cdm, ConcreteCheck], tuple[str, str]]

    def count(self, cdm: Cdm, checks: Sequence[ConcreteCheck]) -> list[tuple[int, int]]:
        """Violations and denominator of each check; all are of one table."""
        asked = [row for number, check in enumerate(checks) for row in self.asked(number, check)]
        with _registered(cdm, asked):
            rows = cdm.connection.execute(self.query(cdm, checks)).fetchall()
        counted = {int(number): (int(bad or 0), int(of or 0)) for number, bad, of in rows}
        return [counted.get(number, (0, 0)) for number in range(len(checks))]

    def offenders(self, cdm: Cdm, check: ConcreteCheck) -> tuple[str, str]:
        """The relation and the condition under which a row of it, called `t`, violates."""
        return self.found(cdm, check)


@contextmanager
def _registered(cdm: Cdm, rows: list[Mapping[str, Any]]) -> Iterator[None]:
    cdm.connection.register(ASKED, pa.Table.from_pylist(rows))
    try:
        yield
    finally:
        cdm.connection.unregister(ASKED)


# What a row violates, by type; `t.value` is the concept of the row and `c` what is known of it.
_CONCEPT_VIOLATIONS = {
    "isForeignKey": "t.value is not null and c.concept_id is null",
    "fkDomain": "t.value <> 0 and c.domain_id <> {expected}",
    "fkClass": "t.value <> 0 and c.concept_class_id <> {expected}",
    "isStandardValidConcept": "t.value <> 0 and c.unfit",
}


def _concept_counts(cdm: Cdm, checks: Sequence[ConcreteCheck]) -> str:
    fields = sorted({check.field for check in checks})
    counts = " union all ".join(
        f"select '{field}' as field, {cdm.column(checks[0].table, field)}::bigint as value,"
        " count(*) as n"
        f" from {cdm.relation(checks[0].table)} as t group by 2"
        for field in fields
    )
    cases = " ".join(
        f"when '{name}' then {condition.format(expected='asked.expected')}"
        for name, condition in _CONCEPT_VIOLATIONS.items()
    )
    return (
        f"with t as ({counts}), c as ({_known(cdm, 'select value from t')})"
        f" select number, sum(n) filter (case kind {cases} end),"
        " sum(n) filter (kind <> 'isStandardValidConcept' or t.value is not null)"
        f" from {ASKED} as asked join t on t.field = asked.field"
        " left join c on c.concept_id = t.value group by number"
    )


def _known(cdm: Cdm, values: str) -> str:
    """What the vocabulary says of the concepts in use: one row each, whatever it repeats."""

    def column(name: str) -> str:
        return cdm.column("concept", name, "k") if cdm.has("concept", name) else "null"

    id_ = f"{column('concept_id')}::bigint"
    unfit = f"{column('standard_concept')} is distinct from 'S'"
    unfit += f" or {column('invalid_reason')} is not null"
    return (
        f"select {id_} as concept_id, min({column('domain_id')}) as domain_id,"
        f" min({column('concept_class_id')}) as concept_class_id, bool_or({unfit}) as unfit"
        f" from {cdm.relation('concept')} as k where {id_} in ({values}) group by 1"
    )


def _concept_asked(number: int, check: ConcreteCheck) -> Iterator[Mapping[str, Any]]:
    kind = check.type.name
    yield {"number": number, "kind": kind, "field": check.field, "expected": check.value}


def _concept_offenders(cdm: Cdm, check: ConcreteCheck) -> tuple[str, str]:
    table = cdm.relation(check.table)
    field = f"{cdm.column(check.table, check.field)}::bigint"
    known = _known(cdm, f"select {field} from {table} as t")
    relation = (
        f"(select t.*, {field} as value from {table} as t) as t"
        f" left join ({known}) as c on c.concept_id = t.value"
    )
    violation = _CONCEPT_VIOLATIONS[check.type.name]
    return relation, violation.format(expected=f"'{check.value}'")


def _source_counts(cdm: Cdm, checks: Sequence[ConcreteCheck]) -> str:
    table = cdm.relation(checks[0].table)
    counts = " union all ".join(
        f"select {number} as number, count(*) filter (unmapped), count(*) from"
        f" (select bool_or({cdm.column(check.table, check.other_field)}::bigint = 0) as unmapped"
        f" from {table} as t group by {cdm.column(check.table, check.field)})"
        for number, check in enumerate(checks)
    )
    return f"{counts} order by 1"


def _source_asked(number: int, check: ConcreteCheck) -> Iterator[Mapping[str, Any]]:
    yield {"number": number}


def _source_offenders(cdm: Cdm, check: ConcreteCheck) -> tuple[str, str]:
    concept = cdm.column(check.table, check.other_field)
    return f"{cdm.relation(check.table)} as t", f"{concept}::bigint = 0"


def _gender_counts(cdm: Cdm, checks: Sequence[ConcreteCheck]) -> str:
    return (
        f"with t as (select value, not_male, not_female, count(*) as n from"
        f" {_with_gender(cdm, checks[0])} group by all),"
        f" members as ({_members(cdm, checks)})"
        " select number, sum(n) filter (if(expected = 'Male', not_male, not_female)), sum(n)"
        " from members join t on t.value = members.concept_id group by number"
    )


def _with_gender(cdm: Cdm, check: ConcreteCheck) -> str:
    """Rows with their concept as `value` and what the person's gender concept is not."""
    person, gender = (
        cdm.column("person", name, "p") for name in ("person_id", "gender_concept_id")
    )
    others = ", ".join(
        f"bool_or({gender}::bigint <> {concept}) as not_{name.lower()}"
        for name, concept in GENDERS.items()
    )
    return (
        f"(select t.*, {cdm.column(check.table, check.field)}::bigint as value, g.not_male,"
        " g.not_female"
        f" from {cdm.relation(check.table)} as t left join (select {person} as person_id, {others}"
        f" from {cdm.relation('person')} as p group by 1) as g"
        f" on g.person_id = {cdm.like(check.table, 'person_id', 'person', 'person_id')}) as t"
    )


def _members(cdm: Cdm, checks: Sequence[ConcreteCheck]) -> str:
    """Concepts by check; a descendant of two concepts of a check counts once."""
    asked = f"select number, expected, concept_id from {ASKED}"
    if not any(check.type.name == _DESCENDANTS for check in checks):
        return asked
    ancestor, descendant = (
        f"{cdm.column('concept_ancestor', f'{name}_concept_id', 'a')}::bigint"
        for name in ("ancestor", "descendant")
    )
    return (
        f"{asked} where kind <> '{_DESCENDANTS}' union all"
        f" select distinct number, expected, {descendant} from {ASKED} as asked"
        f" join {cdm.relation('concept_ancestor')} as a on {ancestor} = asked.concept_id"
        f" where kind = '{_DESCENDANTS}'"
    )


def _gender_asked(number: int, check: ConcreteCheck) -> Iterator[Mapping[str, Any]]:
    for concept in check.concept_ids:
        yield {
            "number": number,
            "kind": check.type.name,
            "concept_id": concept,
            "expected": check.value,
        }


def _gender_offenders(cdm: Cdm, check: ConcreteCheck) -> tuple[str, str]:
    concepts = ", ".join(map(str, check.concept_ids))
    if check.type.name == _DESCENDANTS:
        ancestor, descendant = (
            f"{cdm.column('concept_ancestor', f'{name}_concept_id', 'a')}::bigint"
            for name in ("ancestor", "descendant")
        )
        relation = cdm.relation("concept_ancestor")
        concepts = f"select {descendant} from {relation} as a where {ancestor} in ({concepts})"
    return (
        _with_gender(cdm, check),
        f"t.value in ({concepts}) and t.not_{check.value.lower()}",
    )


def _unit_counts(cdm: Cdm, checks: Sequence[ConcreteCheck]) -> str:
    table = checks[0].table
    concept, unit = (
        f"{cdm.column(table, field)}::bigint" for field in (checks[0].field, "unit_concept_id")
    )
    return (
        f"with t as (select {concept} as value, coalesce({unit}, {NO_UNIT}) as unit, count(*) as n"
        f" from {cdm.relation(table)} as t group by all)"
        " select number, sum(n) filter (not list_contains(units, unit)), sum(n)"
        f" from {ASKED} as asked join t on t.value = asked.concept_id"
        " where unit <> 0 group by number"
    )


def _unit_asked(number: int, check: ConcreteCheck) -> Iterator[Mapping[str, Any]]:
    for concept in check.concept_ids:
        yield {"number": number, "concept_id": concept, "units": _units(check)}


def _unit_offenders(cdm: Cdm, check: ConcreteCheck) -> tuple[str, str]:
    concepts, units = (", ".join(map(str, ids)) for ids in (check.concept_ids, _units(check)))
    unit = f"coalesce({cdm.column(check.table, 'unit_concept_id')}::bigint, {NO_UNIT})"
    return (
        f"{cdm.relation(check.table)} as t",
        f"{cdm.column(check.table, check.field)}::bigint in ({concepts})"
        f" and {unit} <> 0 and {unit} not in ({units})",
    )


def _units(check: ConcreteCheck) -> list[int]:
    return [int(unit) for unit in check.value.split(",")]


GROUP_FAMILIES = {
    "concepts": GroupFamily(_concept_counts, _concept_asked, _concept_offenders),
    "sources": GroupFamily(_source_counts, _source_asked, _source_offenders),
    "gender": GroupFamily(_gender_counts, _gender_asked, _gender_offenders),
    "units": GroupFamily(_unit_counts, _unit_asked, _unit_offenders),
}
