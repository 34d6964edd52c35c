"""The engine: what is not there, what breaks, and that order and repetition change nothing."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pumasi.errors import QualityError
from pumasi.quality import Severity, Status
from pumasi.quality.catalogue import Cdm, concrete_checks, offender_keys, run_catalogue, steps
from pumasi.quality.catalogue.engine import FAMILIES
from tests.quality.catalogue.plainly import queries
from tests.quality.catalogue.tiny import (
    TODAY,
    Rows,
    check_of,
    insert,
    result_of,
    tiny_cdm,
)

PERSONS: Rows = [
    {"person_id": person, "gender_concept_id": 8507, "year_of_birth": 1980} for person in (1, 2)
]


def test_of_an_empty_cdm_only_the_structure_is_judged() -> None:
    results = run_catalogue(tiny_cdm(), concrete_checks())
    assert [result.check for result in results] == list(concrete_checks())
    by_type: dict[str, set[Status]] = {}
    for result in results:
        by_type.setdefault(result.check.type.name, set()).add(result.outcome.status)
    assert by_type.pop("cdmTable") == by_type.pop("cdmField") == {Status.PASSED}
    assert set().union(*by_type.values()) == {Status.NOT_APPLICABLE}


def test_of_a_table_that_is_not_there_nothing_else_is_judged() -> None:
    cdm = tiny_cdm({"person": PERSONS}, without=("death",))
    results = run_catalogue(cdm, [c for c in concrete_checks() if c.table == "death"])
    statuses = Counter((r.check.type.name == "cdmTable", r.outcome.status) for r in results)
    assert statuses == {
        (True, Status.FAILED): 1,
        (False, Status.NOT_APPLICABLE): len(results) - 1,
    }
    assert {r.outcome.message for r in results[1:]} == {"nothing to check: there is no table death"}


def test_of_a_field_that_is_not_there_nothing_else_is_judged() -> None:
    cdm = tiny_cdm({"person": [{"person_id": 1}]}, without=("person.year_of_birth",))
    checks = [c for c in concrete_checks() if (c.table, c.field) == ("person", "year_of_birth")]
    results = run_catalogue(cdm, checks)
    assert len(results) == 6
    for result in results:
        is_structure = result.check.type.name == "cdmField"
        status = Status.FAILED if is_structure else Status.NOT_APPLICABLE
        assert result.outcome.status is status


def test_what_a_check_compares_with_may_not_be_there() -> None:
    rows = {"person": PERSONS, "condition_occurrence": [{"person_id": 1, "visit_occurrence_id": 7}]}
    cdm = tiny_cdm(rows, without=("visit_occurrence",))
    outcome = result_of(
        cdm, check_of("isForeignKey", "condition_occurrence", "visit_occurrence_id")
    ).outcome
    assert outcome.status is Status.NOT_APPLICABLE
    assert outcome.message == "nothing to check: there is no table visit_occurrence"


def test_a_field_without_any_value_passes_nothing() -> None:
    cdm = tiny_cdm({"person": [{"person_id": 1}, {"person_id": 2}]})
    results = run_catalogue(cdm, [c for c in concrete_checks() if c.field == "provider_id"])
    of_person = {r.check.type.name: r.outcome.status for r in results if r.check.table == "person"}
    assert of_person == {
        "cdmField": Status.PASSED,
        "cdmDatatype": Status.NOT_APPLICABLE,
        "isForeignKey": Status.NOT_APPLICABLE,
        # All may be missing: that is what its threshold of 100 % says.
        "measureValueCompleteness": Status.PASSED,
    }
    required = result_of(cdm, check_of("isRequired", "person", "year_of_birth")).outcome
    assert (required.status, required.violations) == (Status.FAILED, 2)


def test_a_check_that_breaks_is_an_error_and_hides_no_other() -> None:
    types = {"person.birth_datetime": "varchar"}
    rows = [{"person_id": 1, "birth_datetime": "a secret"}, {"person_id": 1}]
    cdm = tiny_cdm({"person": rows}, types)
    results = run_catalogue(cdm, [c for c in concrete_checks() if c.table == "person"])
    broken = {r.outcome.name: r.outcome for r in results if r.outcome.status is Status.ERROR}
    assert set(broken) == {
        "person.birth_datetime_is_not_too_low",
        "person.birth_datetime_is_not_too_high",
    }
    for outcome in broken.values():
        assert outcome.message == (
            "could not be checked: counting rows ended with ConversionException"
        )
        assert outcome.violations is None
    found = {r.outcome.name: r.outcome.violations for r in results}
    assert found["person.person_id_is_unique"] == 2
    assert found["person.gender_concept_id_is_never_missing"] == 2


def test_a_break_in_a_family_of_concepts_hides_no_other() -> None:
    types = {"condition_occurrence.condition_concept_id": "varchar"}
    rows = [{"condition_concept_id": "x", "condition_type_concept_id": 99}]
    cdm = tiny_cdm({"condition_occurrence": rows, "concept": [{"concept_id": 1}]}, types)
    broken, found = (
        result_of(
            cdm, check_of("isForeignKey", "condition_occurrence", f"condition_{name}")
        ).outcome
        for name in ("concept_id", "type_concept_id")
    )
    assert (broken.status, broken.denominator) == (Status.ERROR, None)
    assert (found.status, found.violations) == (Status.FAILED, 1)


def test_columns_of_another_type_are_compared_all_the_same() -> None:
    # What a CSV without values in a column becomes, and identifiers that were read as text.
    types = {"provider.provider_id": "varchar", "death.person_id": "varchar"}
    rows = {
        "person": [{"person_id": 1, "provider_id": 3}],
        "death": [{"person_id": "1"}, {"person_id": "2"}],
    }
    cdm = tiny_cdm(rows, types)
    provider = result_of(cdm, check_of("isForeignKey", "person", "provider_id")).outcome
    assert (provider.violations, provider.denominator) == (1, 1)
    person = result_of(cdm, check_of("isForeignKey", "death", "person_id")).outcome
    assert (person.violations, person.denominator) == (1, 2)


def test_of_a_birth_only_the_year_must_be_there() -> None:
    without = ("person.birth_datetime", "person.month_of_birth", "person.day_of_birth")
    day = [{"person_id": 1, "death_date": date(1979, 12, 31)}]
    cdm = tiny_cdm({"person": PERSONS, "death": day}, without=without)
    for type_ in ("plausibleAfterBirth", "plausibleTemporalAfter"):
        outcome = result_of(cdm, check_of(type_, "death", "death_date")).outcome
        assert (outcome.violations, outcome.denominator) == (1, 1)


def test_a_birth_that_is_not_in_the_calendar_is_not_known() -> None:
    born = {"person_id": 1, "year_of_birth": 1980, "month_of_birth": 2, "day_of_birth": 30}
    day = [{"person_id": 1, "death_date": date(1900, 1, 1)}]
    cdm = tiny_cdm({"person": [born], "death": day})
    outcome = result_of(cdm, check_of("plausibleAfterBirth", "death", "death_date")).outcome
    assert (outcome.status, outcome.violations) == (Status.PASSED, 0)


def test_of_two_deaths_the_earlier_and_of_two_births_the_later_counts() -> None:
    rows = {
        "person": [
            {"person_id": 1, "birth_datetime": "1980-01-01 00:00"},
            {"person_id": 1, "birth_datetime": "1990-01-01 00:00"},
        ],
        "death": [
            {"person_id": 1, "death_date": date(2000, 1, 1)},
            {"person_id": 1, "death_date": date(2010, 1, 1)},
        ],
        "condition_occurrence": [
            {"person_id": 1, "condition_start_date": day}
            for day in (date(1985, 1, 1), date(1995, 1, 1), date(2005, 1, 1))
        ],
    }
    cdm = tiny_cdm(rows)
    for type_ in ("plausibleAfterBirth", "plausibleBeforeDeath"):
        check = check_of(type_, "condition_occurrence", "condition_start_date")
        outcome = result_of(cdm, check).outcome
        assert (outcome.violations, outcome.denominator) == (1, 3)


def test_a_row_must_be_near_every_visit_of_its_id() -> None:
    visits = [
        {"visit_occurrence_id": 1, "visit_start_date": day, "visit_end_date": day}
        for day in (date(2020, 1, 1), date(2020, 1, 11))
    ]
    conditions = [
        {"visit_occurrence_id": 1, "condition_start_date": date(2020, 1, day)}
        for day in (3, 4, 8, 9)
    ]
    cdm = tiny_cdm({"visit_occurrence": visits, "condition_occurrence": conditions})
    check = check_of("withinVisitDates", "condition_occurrence", "condition_start_date")
    outcome = result_of(cdm, check).outcome
    assert (outcome.violations, outcome.denominator) == (2, 4)


def test_only_what_dqd_calls_fatal_is_an_error() -> None:
    severities = {(c.type.severity, c.as_check().severity) for c in concrete_checks()}
    assert severities == {
        ("fatal", Severity.ERROR),
        ("convention", Severity.WARN),
        ("characterization", Severity.WARN),
    }


def test_names_are_found_whatever_their_case_and_in_two_schemas() -> None:
    cdm = tiny_cdm()
    connection = cdm.connection
    connection.execute('create schema "Hospital"; create schema vocabulary')
    connection.execute('create table "Hospital"."PERSON" as select 1 as "PERSON_ID"')
    connection.execute("create table vocabulary.concept as select 8507 as concept_id")
    found = Cdm.find(connection, "hospital", "Vocabulary", TODAY)
    assert set(found.tables) == {"person", "concept"}
    assert found.has("person", "person_id")
    with pytest.raises(QualityError, match="no table of OMOP"):
        Cdm.find(connection, "vocabulary", None, TODAY)
    with pytest.raises(QualityError, match="no schema nowhere"):
        Cdm.find(connection, "hospital", "nowhere", TODAY)


def test_a_table_and_family_is_counted_in_one_query() -> None:
    cdm = tiny_cdm({"person": PERSONS})
    cdm.connection.execute("call enable_logging('QueryLog')")
    checks = [c for c in concrete_checks() if c.table == "measurement"]
    run_catalogue(cdm, checks)
    cdm.connection.execute("call disable_logging()")
    queries = cdm.connection.execute(
        "select count(*) from duckdb_logs where type = 'QueryLog' and message like '%measurement%'"
    ).fetchall()[0][0]
    families = {step[0].family for step in steps(checks)} & set(FAMILIES)
    assert len(families) == 7
    assert len(checks) > 280
    assert queries == len(families)


DAY = st.integers(0, 3).map(lambda days: date(2020, 1, 1) + timedelta(days=days))
ID = st.integers(0, 3) | st.none()
CONDITION = st.fixed_dictionaries(
    {
        "condition_occurrence_id": ID,
        "person_id": ID,
        "condition_concept_id": st.sampled_from([0, 10, 11, 26662, 99]) | st.none(),
        "condition_start_date": DAY | st.none(),
        "condition_end_date": DAY | st.none(),
        "condition_source_value": st.sampled_from(["a", "b"]) | st.none(),
        "visit_occurrence_id": ID,
    }
)
VOCABULARY: Rows = [
    {"concept_id": 10, "domain_id": "Condition", "standard_concept": "S"},
    {"concept_id": 11, "domain_id": "Drug"},
    {"concept_id": 26662, "domain_id": "Condition", "standard_concept": "S"},
]
LIVES: dict[str, Rows] = {
    "person": [
        {"person_id": 1, "gender_concept_id": 8532, "birth_datetime": "2020-01-02 00:00"},
        {"person_id": 2, "gender_concept_id": 8507, "year_of_birth": 1980},
    ],
    "death": [{"person_id": 1, "death_date": date(2019, 11, 3)}],
    "visit_occurrence": [
        {
            "visit_occurrence_id": 1,
            "visit_start_date": date(2020, 1, 9),
            "visit_end_date": date(2020, 1, 9),
        }
    ],
    "concept": VOCABULARY,
}


def counts(cdm: Cdm) -> dict[str, tuple[int | None, int | None]]:
    # Of persons every row is counted, and a repeated one is what isPrimaryKey finds.
    checks = [
        c for c in concrete_checks() if c.table == "condition_occurrence" and c.family != "persons"
    ]
    results = run_catalogue(cdm, checks)
    assert not [r.outcome.message for r in results if r.outcome.status is Status.ERROR]
    return {r.outcome.name: (r.outcome.violations, r.outcome.denominator) for r in results}


def loaded(conditions: list[dict[str, Any]], *, twice: bool = False) -> Cdm:
    cdm = tiny_cdm({**LIVES, "condition_occurrence": conditions})
    if twice:
        for table, rows in LIVES.items():
            insert(cdm.connection, table, rows)
    return cdm


@settings(max_examples=15, deadline=None)
@given(st.lists(CONDITION, max_size=6))
def test_the_order_of_rows_changes_nothing(conditions: list[dict[str, Any]]) -> None:
    assert counts(loaded(conditions)) == counts(loaded(conditions[::-1]))


@settings(max_examples=15, deadline=None)
@given(st.lists(CONDITION, max_size=6))
def test_a_repeated_person_death_visit_or_concept_counts_no_row_twice(
    conditions: list[dict[str, Any]],
) -> None:
    assert counts(loaded(conditions, twice=True)) == counts(loaded(conditions))


@settings(max_examples=10, deadline=None)
@given(st.lists(CONDITION, min_size=1, max_size=6))
def test_many_checks_at_once_count_what_plain_queries_count_one_by_one(
    conditions: list[dict[str, Any]],
) -> None:
    cdm = loaded(conditions)
    found = counts(cdm)
    for check in concrete_checks():
        # Of the checks of gender on this table one stands for all: they differ by the concept.
        other = check.type.name == "plausibleGender" and check.concept_ids != (26662,)
        if check.name in found and check.family != "structure" and not other:
            plain = [cdm.connection.execute(q).fetchall()[0][0] for q in queries(check, TODAY)]
            assert list(found[check.name]) == plain, check.name


@settings(max_examples=15, deadline=None)
@given(st.lists(CONDITION, min_size=1, max_size=6))
def test_the_offenders_of_a_failed_check_are_the_rows_that_violate(
    conditions: list[dict[str, Any]],
) -> None:
    for number, row in enumerate(conditions):
        row["condition_occurrence_id"] = number
    cdm = loaded(conditions)
    checks = [
        c
        for c in concrete_checks()
        # A source value is no row, and neither is a table.
        if c.table == "condition_occurrence" and c.family not in ("sources", "structure", "persons")
    ]
    results = run_catalogue(cdm, checks)
    failed = [r for r in results if r.outcome.status is Status.FAILED]
    keys = offender_keys(cdm, results)
    assert {k.check: len(k.keys) for k in keys} == {
        r.outcome.name: r.outcome.violations for r in failed
    }
    for each in keys:
        assert set(each.keys) <= {str(number) for number in range(len(conditions))}
