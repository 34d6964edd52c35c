"""Families of checks that look at one row at a time: each check is two conditions on a relation.

The relation of a family is the table, called `t`, with what its rows are compared with joined to
it, at most one row to each. All checks of a family on a table are counted in one query, and the
same conditions find the offenders of one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pumasi.quality.catalogue.checks import ConcreteCheck
from pumasi.quality.catalogue.database import Cdm

# Days after death that records of a person may still be written, and around a visit: DQD's.
DAYS_AFTER_DEATH = 60
DAYS_AROUND_VISIT = 7


@dataclass(frozen=True)
class Conditions:
    """SQL conditions: which rows are looked at, and which of them violate."""

    population: str
    violation: str


@dataclass(frozen=True)
class RowFamily:
    """A family: its relation for a table and some checks of it, and the conditions of a check."""

    relation: Callable[[Cdm, str, Sequence[ConcreteCheck]], str]
    conditions: Callable[[Cdm, ConcreteCheck], Conditions]

    def count(self, cdm: Cdm, checks: Sequence[ConcreteCheck]) -> list[tuple[int, int]]:
        """Violations and denominator of each check; all are of one table."""
        flags, sums = [], []
        for number, check in enumerate(checks):
            c = self.conditions(cdm, check)
            flags.append(f"({c.population}) as p{number}, ({c.violation}) as v{number}")
            sums += [f"count(*) filter (p{number} and v{number})", f"count(*) filter (p{number})"]
        relation = self.relation(cdm, checks[0].table, checks)
        row = cdm.connection.execute(
            f"select {', '.join(sums)} from (select {', '.join(flags)} from {relation})"
        ).fetchall()[0]
        return list(zip(row[::2], row[1::2], strict=True))

    def offenders(self, cdm: Cdm, check: ConcreteCheck) -> tuple[str, str]:
        """The relation and the condition under which a row of it, called `t`, violates."""
        c = self.conditions(cdm, check)
        relation = self.relation(cdm, check.table, [check])
        return relation, f"({c.population}) and ({c.violation})"


def _table(cdm: Cdm, table: str, checks: Sequence[ConcreteCheck]) -> str:
    return f"{cdm.relation(table)} as t"


def _row_conditions(cdm: Cdm, check: ConcreteCheck) -> Conditions:
    field = cdm.column(check.table, check.field)
    match check.type.name:
        case "isRequired" | "measureValueCompleteness":
            return Conditions("true", f"{field} is null")
        case "cdmDatatype":
            return Conditions("true", _is_no_integer(cdm, check))
        case "plausibleValueLow" | "plausibleValueHigh":
            return Conditions(f"{field} is not null", _is_beyond(cdm, check))
        case "plausibleStartBeforeEnd":
            end = cdm.column(check.table, check.other_field)
            return Conditions(
                f"{field} is not null and {end} is not null", f"{field}::date > {end}::date"
            )
        case _:
            return _concept_is_recorded(cdm, check)


def _is_no_integer(cdm: Cdm, check: ConcreteCheck) -> str:
    if cdm.type_of(check.table, check.field).is_integer:
        return "false"
    field = cdm.column(check.table, check.field)
    number = f"try_cast({field}::varchar as double)"
    whole = f"coalesce(isfinite({number}) and {number} = trunc({number}), false)"
    return f"{field} is not null and not {whole}"


def _is_beyond(cdm: Cdm, check: ConcreteCheck) -> str:
    field = cdm.column(check.table, check.field)
    sign = "<" if check.type.name == "plausibleValueLow" else ">"
    limit = check.value
    if limit == "next year":
        return f"{field}::double {sign} {cdm.today.year + 1}"
    if limit == "tomorrow":
        return f"{field}::date {sign} date '{cdm.today}' + 1"
    if "-" in limit:
        return f"{field}::date {sign} date '{limit}'"
    return f"{field}::double {sign} {limit}"


def _concept_is_recorded(cdm: Cdm, check: ConcreteCheck) -> Conditions:
    """Concept 0, or none where the field may be empty and the source had a value."""
    field = cdm.column(check.table, check.field)
    if not check.other_field or not cdm.has(check.table, check.other_field):
        return Conditions(f"{field} is not null", f"{field}::bigint = 0")
    source = cdm.column(check.table, check.other_field)
    return Conditions(
        f"{field} is not null or {source} is not null", f"{field} is null or {field}::bigint = 0"
    )


def _key_conditions(cdm: Cdm, check: ConcreteCheck) -> Conditions:
    field = cdm.column(check.table, check.field)
    if check.type.name == "isPrimaryKey":
        repeated = (
            f"select {field} from {cdm.relation(check.table)} as t where {field} is not null"
            f" group by {field} having count(*) > 1"
        )
        return Conditions("true", f"{field} in ({repeated})")
    key = cdm.column(check.other_table, check.other_field, "k")
    known = f"select {key} from {cdm.relation(check.other_table)} as k where {key} is not null"
    value = cdm.like(check.table, check.field, check.other_table, check.other_field)
    return Conditions("true", f"{field} is not null and {value} not in ({known})")


def _with_lives(cdm: Cdm, table: str, checks: Sequence[ConcreteCheck]) -> str:
    """The table with birth, death and visit, as far as the checks need them."""
    names = {check.type.name for check in checks}

    def person(other: str) -> str:
        return cdm.like(table, "person_id", other, "person_id")

    relation = _table(cdm, table, checks)
    if "plausibleAfterBirth" in names or any(c.other_table == "person" for c in checks):
        relation += f" left join ({_births(cdm)}) as b on b.person_id = {person('person')}"
    if names & {"plausibleDuringLife", "plausibleBeforeDeath"}:
        relation += f" left join ({deaths(cdm)}) as d on d.person_id = {person('death')}"
    if "withinVisitDates" in names:
        id_ = "visit_occurrence_id"
        visit = cdm.like(table, id_, "visit_occurrence", id_)
        relation += f" left join ({_visits(cdm)}) as v on v.visit_id = {visit}"
    return relation


def _births(cdm: Cdm) -> str:
    """Birth by person, and in `midyear` the same with 1 June where only the year is known.

    DQD takes 1 June wherever there is no birth_datetime, also where the month is known: of those
    who are born before it, what is recorded until then would seem to be too early. A day that is
    not in the calendar is no birth date. Of two rows of a person the later counts.
    """

    def column(name: str) -> str:
        return cdm.column("person", name, "p") if cdm.has("person", name) else "null"

    day = f"{column('birth_datetime')}::date"
    year = f"{column('year_of_birth')}::bigint"
    month, month_day = (f"{column(f'{name}_of_birth')}::bigint" for name in ("month", "day"))

    def born(month_if_unknown: int) -> str:
        of_year = f"coalesce({month}, {month_if_unknown}), coalesce({month_day}, 1)"
        return f"coalesce({day}, try(make_date({year}, {of_year})))"

    return (
        f"select {column('person_id')} as person_id,"
        f" max({born(1)}) as born, max({born(6)}) as midyear"
        f" from {cdm.relation('person')} as p group by 1"
    )


def deaths(cdm: Cdm) -> str:
    """Death by person; of two rows of a person the earlier counts."""
    person, day = (cdm.column("death", name) for name in ("person_id", "death_date"))
    return (
        f"select {person} as person_id, min({day}::date) as died"
        f" from {cdm.relation('death')} as t group by 1"
    )


def _visits(cdm: Cdm) -> str:
    """First and last day by visit; of two rows of a visit a record must be near both."""
    visit, start, end = (
        cdm.column("visit_occurrence", name)
        for name in ("visit_occurrence_id", "visit_start_date", "visit_end_date")
    )
    return (
        f"select {visit} as visit_id, max({start}::date) as began, min({end}::date) as ended"
        f" from {cdm.relation('visit_occurrence')} as t group by 1"
    )


def _time_conditions(cdm: Cdm, check: ConcreteCheck) -> Conditions:
    field = cdm.column(check.table, check.field)
    day = f"{field}::date"
    after_death = f"{day} > d.died + {DAYS_AFTER_DEATH}"
    match check.type.name:
        case "plausibleAfterBirth":
            return Conditions(f"{field} is not null", f"{day} < b.born")
        case "plausibleDuringLife":
            return Conditions("d.person_id is not null", after_death)
        case "plausibleBeforeDeath":
            return Conditions(f"d.person_id is not null and {field} is not null", after_death)
        case "withinVisitDates":
            around = f"v.began - {DAYS_AROUND_VISIT} and v.ended + {DAYS_AROUND_VISIT}"
            return Conditions("v.visit_id is not null", f"{day} not between {around}")
        case _ if check.other_table == "person":
            return Conditions("true", f"{day} < b.midyear")
        case _:
            return Conditions("true", f"{day} < {cdm.column(check.table, check.other_field)}::date")


def _persons(cdm: Cdm, table: str, checks: Sequence[ConcreteCheck]) -> str:
    return _table(cdm, "person", checks)


def _person_conditions(cdm: Cdm, check: ConcreteCheck) -> Conditions:
    person = cdm.like("person", "person_id", check.table, "person_id")
    return Conditions("true", _is_without_row(cdm, person, check.table))


def _is_without_row(cdm: Cdm, person: str, table: str) -> str:
    there = cdm.column(table, "person_id", "k")
    rows = f"select {there} from {cdm.relation(table)} as k where {there} is not null"
    return f"{person} is not null and {person} not in ({rows})"


def _persons_with_conditions(cdm: Cdm, table: str, checks: Sequence[ConcreteCheck]) -> str:
    person = cdm.like("condition_occurrence", "person_id", table, "person_id")
    concept = cdm.column("condition_occurrence", "condition_concept_id")
    return (
        f"(select distinct {person} as person_id from {cdm.relation('condition_occurrence')} as t"
        f" where {concept}::bigint <> 0) as t"
    )


def _era_conditions(cdm: Cdm, check: ConcreteCheck) -> Conditions:
    return Conditions("true", _is_without_row(cdm, "t.person_id", check.table))


def _persons_with_periods(cdm: Cdm, table: str, checks: Sequence[ConcreteCheck]) -> str:
    """Per person whether a period begins before the day after the next of the earlier ones ends."""
    person, start, end = (
        cdm.column(table, name)
        for name in (
            "person_id",
            "observation_period_start_date",
            "observation_period_end_date",
        )
    )
    earlier = (
        f"max({end}::date) over (partition by {person} order by {start}::date, {end}::date"
        " rows between unbounded preceding and 1 preceding)"
    )
    return (
        f"(select person_id, coalesce(bool_or(begins <= ended + 1), false) as overlaps from"
        f" (select {person} as person_id, {start}::date as begins, {earlier} as ended"
        f" from {cdm.relation(table)} as t) group by 1) as t"
    )


def _period_conditions(cdm: Cdm, check: ConcreteCheck) -> Conditions:
    return Conditions("true", "t.overlaps")


ROW_FAMILIES = {
    "rows": RowFamily(_table, _row_conditions),
    "keys": RowFamily(_table, _key_conditions),
    "time": RowFamily(_with_lives, _time_conditions),
    "persons": RowFamily(_persons, _person_conditions),
    "eras": RowFamily(_persons_with_conditions, _era_conditions),
    "periods": RowFamily(_persons_with_periods, _period_conditions),
}
