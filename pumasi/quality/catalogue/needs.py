"""What a check needs of the database besides its own field.

A check whose table, field or counterpart is not there has nothing to check. That is said of the
check itself; that something is missing is what `cdmTable` and `cdmField` find.
"""

from __future__ import annotations

from collections.abc import Iterator

from pumasi.quality.catalogue.checks import ConcreteCheck
from pumasi.quality.catalogue.database import Cdm

_PERSON = ("person", "person_id")
_VISIT_DAYS = tuple(
    ("visit_occurrence", f"visit_{name}")
    for name in ("occurrence_id", "concept_id", "start_date", "end_date")
)
_NEEDS: dict[str, tuple[tuple[str, str], ...]] = {
    "measurePersonCompleteness": (_PERSON,),
    "measureConditionEraCompleteness": (
        ("condition_occurrence", "person_id"),
        ("condition_occurrence", "condition_concept_id"),
    ),
    "measureObservationPeriodOverlap": (
        ("observation_period", "observation_period_start_date"),
        ("observation_period", "observation_period_end_date"),
    ),
    "fkDomain": (("concept", "concept_id"), ("concept", "domain_id")),
    "fkClass": (("concept", "concept_id"), ("concept", "concept_class_id")),
    "isStandardValidConcept": (
        ("concept", "concept_id"),
        ("concept", "standard_concept"),
        ("concept", "invalid_reason"),
    ),
    "plausibleDuringLife": (("death", "person_id"), ("death", "death_date")),
    "plausibleBeforeDeath": (("death", "person_id"), ("death", "death_date")),
    "plausibleAfterBirth": (_PERSON, ("person", "year_of_birth")),
    "withinVisitDates": (
        ("visit_occurrence", "visit_occurrence_id"),
        ("visit_occurrence", "visit_start_date"),
        ("visit_occurrence", "visit_end_date"),
    ),
    "plausibleGender": (_PERSON, ("person", "gender_concept_id")),
    "plausibleGenderUseDescendants": (
        _PERSON,
        ("person", "gender_concept_id"),
        ("concept_ancestor", "ancestor_concept_id"),
        ("concept_ancestor", "descendant_concept_id"),
    ),
}
_NEEDS |= {
    "isDuringStay": _VISIT_DAYS,
    "isNotAfterDeath": (("death", "person_id"), ("death", "death_date")),
    "staysDoNotOverlap": (*_VISIT_DAYS, ("visit_occurrence", "person_id")),
    "isOfItsVisitsPerson": (
        ("visit_occurrence", "visit_occurrence_id"),
        ("visit_occurrence", "person_id"),
    ),
    "birthsDoNotHeap": (("person", "year_of_birth"), ("person", "month_of_birth")),
}
# The field of the check's own table by which it is joined to what it is compared with.
_JOINED_BY = {
    "measurePersonCompleteness": "person_id",
    "measureConditionEraCompleteness": "person_id",
    "measureObservationPeriodOverlap": "person_id",
    "plausibleDuringLife": "person_id",
    "plausibleBeforeDeath": "person_id",
    "plausibleAfterBirth": "person_id",
    "withinVisitDates": "visit_occurrence_id",
    "plausibleGender": "person_id",
    "plausibleGenderUseDescendants": "person_id",
    "plausibleUnitConceptIds": "unit_concept_id",
    "isDuringStay": "visit_occurrence_id",
    "isNotAfterDeath": "person_id",
    "eventsAreNotRepeated": "person_id",
    "isOfItsVisitsPerson": "person_id",
    "valueFitsUnit": "unit_concept_id",
    "valuesAreCentred": "unit_concept_id",
}
# Where the source value is not there, what can be said of the concept alone is said.
_WITHOUT_SOURCE = ("standardConceptRecordCompleteness", "sourceConceptRecordCompleteness")


def why_not(cdm: Cdm, check: ConcreteCheck) -> str | None:
    """Say what the database lacks for this check, or None if the check can be counted."""
    for table, field in _needs(check):
        if not cdm.has(table):
            return f"there is no table {table}"
        if field and not cdm.has(table, field):
            return f"there is no field {table}.{field}"
    return None


def _needs(check: ConcreteCheck) -> Iterator[tuple[str, str]]:
    name = check.type.name
    if name == "cdmTable":
        return
    yield check.table, "" if name == "cdmField" else check.field
    if name in _JOINED_BY:
        yield check.table, _JOINED_BY[name]
    yield from _NEEDS.get(name, ())
    if name == "plausibleTemporalAfter" and check.other_table == "person":
        yield from (_PERSON, ("person", "year_of_birth"), (check.table, "person_id"))
    elif check.other_field and name not in _WITHOUT_SOURCE:
        yield check.other_table, check.other_field
