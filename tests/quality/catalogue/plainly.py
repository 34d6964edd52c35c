"""Each check as two plain queries of its own, written from the definition of its type alone.

Slow and simple: what the engine counts for many checks at once is compared with this. Tables are
in schema cdm, and `t` is the check's.
"""

from __future__ import annotations

from datetime import date, timedelta

from pumasi.quality.catalogue import ConcreteCheck

_GENDERS = {"Male": "8507", "Female": "8532"}
# Keys that are names, not numbers.
_NAMES = ("domain_id", "vocabulary_id", "concept_class_id", "relationship_id")
_BIRTH = """coalesce(birth_datetime::date, make_date(
    year_of_birth::bigint, coalesce(month_of_birth, 1)::bigint, coalesce(day_of_birth, 1)::bigint
))"""
_MIDYEAR = _BIRTH.replace("coalesce(month_of_birth, 1)", "coalesce(month_of_birth, 6)")
_OVERLAPS = """select count(distinct t.person_id) from cdm.observation_period as t
    join cdm.observation_period as u on u.person_id = t.person_id
        and u.observation_period_id <> t.observation_period_id
    where t.observation_period_start_date <= u.observation_period_end_date + 1
        and u.observation_period_start_date <= t.observation_period_end_date + 1"""
_HAS_CONDITION = """select count(distinct person_id) from cdm.condition_occurrence
    where condition_concept_id <> 0"""


def queries(check: ConcreteCheck, today: date) -> tuple[str, str]:
    """The query for the violations and the one for the denominator."""
    if check.type.level == "TABLE":
        return _of_table(check)
    if check.type.level == "CONCEPT":
        return _of_concept(check)
    rows, violating = _of_field(check, today)
    return f"{rows} and ({violating})", rows


def _of_table(check: ConcreteCheck) -> tuple[str, str]:
    match check.type.name:
        case "measureObservationPeriodOverlap":
            every = "select count(distinct person_id) from cdm.observation_period"
            return _OVERLAPS, every
        case "measureConditionEraCompleteness":
            era = "person_id not in (select person_id from cdm.condition_era)"
            return f"{_HAS_CONDITION} and {era}", _HAS_CONDITION
        case _:
            persons = "select count(*) from cdm.person as p"
            row = f"select 1 from cdm.{check.table} as t where t.person_id::bigint = p.person_id"
            return f"{persons} where not exists ({row})", persons


def _of_concept(check: ConcreteCheck) -> tuple[str, str]:
    concepts = ", ".join(map(str, check.concept_ids))
    if check.type.name == "plausibleGenderUseDescendants":
        concepts = f"""select descendant_concept_id::bigint from cdm.concept_ancestor
            where ancestor_concept_id::bigint in ({concepts})"""
    rows = f"select count(*) from cdm.{check.table} as t where {check.field} in ({concepts})"
    if check.type.name == "plausibleUnitConceptIds":
        rows += " and (unit_concept_id is null or unit_concept_id <> 0)"
        return f"{rows} and coalesce(unit_concept_id, -1) not in ({check.value})", rows
    other = f"gender_concept_id <> {_GENDERS[check.value]}"
    return f"{rows} and person_id in (select person_id from cdm.person where {other})", rows


def _of_field(check: ConcreteCheck, today: date) -> tuple[str, str]:
    """All rows that are looked at, and a condition."""
    field, other = f"t.{check.field}", f"t.{check.other_field}"
    rows = f"select count(*) from cdm.{check.table} as t where true"
    filled = f"{rows} and {field} is not null"
    concept = f"select 1 from cdm.concept where concept_id = {field}::bigint and concept_id <> 0"
    by_person = "where person_id::bigint = t.person_id::bigint"
    dead = f"exists (select 1 from cdm.death {by_person})"
    late = f"exists (select 1 from cdm.death {by_person} and {field}::date > death_date::date + 60)"
    visit = "select 1 from cdm.visit_occurrence as v"
    visit += " where v.visit_occurrence_id = t.visit_occurrence_id::bigint"
    match check.type.name:
        case "isRequired" | "measureValueCompleteness":
            return rows, f"{field} is null"
        case "cdmDatatype":
            return rows, f"{field} is not null and {field}::double <> trunc({field}::double)"
        case "isPrimaryKey":
            same = f"select {check.field} from cdm.{check.table} group by 1 having count(*) > 1"
            return rows, f"{field} in ({same})"
        case "isForeignKey":
            key = f"select 1 from cdm.{check.other_table} as k"
            cast = "varchar" if check.other_field in _NAMES else "bigint"
            same = f"k.{check.other_field}::{cast} = {field}::{cast}"
            return rows, f"{field} is not null and not exists ({key} where {same})"
        case "fkDomain":
            return rows, f"exists ({concept} and domain_id <> '{check.value}')"
        case "fkClass":
            return rows, f"exists ({concept} and concept_class_id <> '{check.value}')"
        case "isStandardValidConcept":
            fit = "coalesce(standard_concept, '') = 'S' and invalid_reason is null"
            return filled, f"exists ({concept} and not ({fit}))"
        case "standardConceptRecordCompleteness" | "sourceConceptRecordCompleteness":
            if not check.other_field:
                return filled, f"{field}::bigint = 0"
            asked = f"{rows} and ({field} is not null or {other} is not null)"
            return asked, f"{field} is null or {field}::bigint = 0"
        case "sourceValueCompleteness":
            values = f"(select distinct coalesce({field}::varchar, '') as value, {other} as concept"
            values = f"{values} from cdm.{check.table} as t)"
            asked = f"select count(distinct value) from {values} where true"
            return asked, "concept::bigint = 0"
        case "plausibleValueLow":
            return filled, f"{_compared(check)} < {_limit(check, today)}"
        case "plausibleValueHigh":
            return filled, f"{_compared(check)} > {_limit(check, today)}"
        case "plausibleStartBeforeEnd":
            return f"{filled} and {other} is not null", f"{field}::date > {other}::date"
        case "plausibleTemporalAfter" if check.other_table == "person":
            born = f"select 1 from cdm.person {by_person} and {_MIDYEAR} > {field}::date"
            return rows, f"exists ({born})"
        case "plausibleTemporalAfter":
            return rows, f"{other}::date > {field}::date"
        case "plausibleAfterBirth":
            born = f"select 1 from cdm.person {by_person} and {_BIRTH} > {field}::date"
            return filled, f"exists ({born})"
        case "plausibleDuringLife":
            return f"{rows} and {dead}", late
        case "plausibleBeforeDeath":
            return f"{filled} and {dead}", late
        case _:
            early = f"{field}::date < visit_start_date - 7 or {field}::date > visit_end_date + 7"
            return f"{rows} and exists ({visit})", f"exists ({visit} and ({early}))"


def _compared(check: ConcreteCheck) -> str:
    is_day = "-" in check.value or check.value == "tomorrow"
    return f"t.{check.field}::{'date' if is_day else 'double'}"


def _limit(check: ConcreteCheck, today: date) -> str:
    if check.value == "next year":
        return str(today.year + 1)
    day = str(today + timedelta(days=1)) if check.value == "tomorrow" else check.value
    return day if "-" not in day else f"date '{day}'"
