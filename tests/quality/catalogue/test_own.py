"""The types that DQD lacks: counted by hand on rows that violate and rows that don't."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pumasi.omop import cdm_tables, project_concepts
from pumasi.quality import Status
from pumasi.quality.catalogue import (
    Cdm,
    check_types,
    concrete_checks,
    offender_keys,
    run_catalogue,
    steps,
)
from pumasi.quality.catalogue.checks import own_checks, own_types
from pumasi.quality.catalogue.own import OWN_FAMILIES
from tests.quality.catalogue.tiny import (
    Case,
    Rows,
    check_of,
    however_few,
    insert,
    outcome_of,
    result_of,
    tiny_cdm,
)

INPATIENT, EMERGENCY_AND_INPATIENT, OUTPATIENT = 9201, 262, 9202
CREATININE, MG_PER_DL, UMOL_PER_L = 3016723, 8840, 8749


def may(day: int) -> date:
    """A day of May 2020."""
    return date(2020, 5, day)


def numbered(table: str, *rows: Mapping[str, Any]) -> dict[str, Rows]:
    """Rows of a table with its key: 1, 2, 3 and so on."""
    return {table: [{f"{table}_id": n, **row} for n, row in enumerate(rows, start=1)]}


def visit(person: int, concept: int, start: int, end: int | None) -> dict[str, Any]:
    """A visit in May 2020."""
    return {
        "person_id": person,
        "visit_concept_id": concept,
        "visit_start_date": may(start),
        "visit_end_date": None if end is None else may(end),
    }


def creatinine(*values: float | None, unit: int = MG_PER_DL) -> Rows:
    """Measurements of creatinine."""
    return [
        {"measurement_concept_id": CREATININE, "unit_concept_id": unit, "value_as_number": value}
        for value in values
    ]


ASTHMA = {"person_id": 1, "condition_concept_id": 10, "condition_start_date": may(1)}
STAYS = numbered(
    "visit_occurrence",
    visit(1, INPATIENT, 10, 20),
    visit(1, OUTPATIENT, 10, 20),
    visit(1, EMERGENCY_AND_INPATIENT, 10, 20),
)

# Each with the keys of the rows that violate.
CASES: list[tuple[Case, list[int]]] = [
    (
        Case(
            "eventsAreNotRepeated",
            "condition_occurrence",
            numbered(
                "condition_occurrence",
                # The same thrice, whatever visit it hangs on: two of them are too many.
                ASTHMA | {"visit_occurrence_id": 1},
                ASTHMA | {"visit_occurrence_id": 2},
                ASTHMA,
                ASTHMA | {"condition_start_date": may(2)},
                ASTHMA | {"person_id": 2},
                ASTHMA | {"condition_source_value": "J45"},
            ),
            2,
            6,
        ),
        # Which of them is the first, nobody knows: all are shown.
        [1, 2, 3],
    ),
    (
        Case(
            "eventsAreNotRepeated",
            "visit_occurrence",
            numbered(
                "visit_occurrence",
                visit(1, OUTPATIENT, 1, 1),
                visit(1, OUTPATIENT, 1, 1) | {"preceding_visit_occurrence_id": 1},
                visit(1, OUTPATIENT, 1, 2),
            ),
            1,
            3,
        ),
        [1, 2],
    ),
    (
        Case(
            "isDuringStay",
            "procedure_occurrence",
            STAYS
            | numbered(
                "procedure_occurrence",
                *(
                    {"visit_occurrence_id": id_, "procedure_date": day}
                    for id_, day in (
                        (1, may(9)),
                        (1, may(10)),
                        (1, may(20)),
                        (1, may(21)),
                        (3, may(21)),
                        # Of no stay, of none that is known, or on no day: not looked at.
                        (2, may(31)),
                        (4, may(31)),
                        (None, may(31)),
                        (1, None),
                    )
                ),
            ),
            3,
            5,
            "procedure_date",
        ),
        [1, 4, 5],
    ),
    (
        Case(
            "isNotAfterDeath",
            "measurement",
            {
                # Of two days of death the earlier counts.
                "death": [
                    {"person_id": 1, "death_date": may(1)},
                    {"person_id": 1, "death_date": may(9)},
                ],
                **numbered(
                    "measurement",
                    *(
                        {"person_id": person, "measurement_date": day}
                        for person, day in (
                            (1, may(1)),
                            (1, may(2)),
                            (1, None),
                            (2, may(31)),
                        )
                    ),
                ),
            },
            1,
            2,
            "measurement_date",
        ),
        [2],
    ),
    (
        Case(
            "staysDoNotOverlap",
            "visit_occurrence",
            numbered(
                "visit_occurrence",
                visit(1, INPATIENT, 1, 10),
                visit(1, INPATIENT, 5, 8),
                # Begins after the one before it ended, and during the one before that.
                visit(1, EMERGENCY_AND_INPATIENT, 9, 12),
                # Moved on the day of the discharge.
                visit(1, INPATIENT, 12, 15),
                visit(1, OUTPATIENT, 6, 6),
                visit(2, INPATIENT, 3, None),
                visit(2, INPATIENT, 4, 5),
            ),
            2,
            6,
        ),
        [2, 3],
    ),
    (
        Case(
            "isOfItsVisitsPerson",
            "measurement",
            numbered("visit_occurrence", visit(1, INPATIENT, 1, 2), visit(2, OUTPATIENT, 1, 1))
            | numbered(
                "measurement",
                *(
                    {"person_id": person, "visit_occurrence_id": visit_id}
                    for person, visit_id in (
                        (1, 1),
                        (2, 1),
                        (1, 2),
                        (2, 2),
                        # At no visit, or at none that is known: not looked at.
                        (1, None),
                        (1, 9),
                    )
                ),
            ),
            2,
            4,
            "visit_occurrence_id",
        ),
        [2, 3],
    ),
    (
        Case(
            "isKnown",
            "drug_exposure",
            numbered("drug_exposure", *({"days_supply": days} for days in (30, None, 0, 1))),
            1,
            4,
            "days_supply",
        ),
        [2],
    ),
    (
        Case(
            "isKnown",
            "drug_exposure",
            numbered("drug_exposure", *({"route_concept_id": id_} for id_ in (0, None, 4132161))),
            2,
            3,
            "route_concept_id",
        ),
        [1, 2],
    ),
    (
        Case(
            "birthsDoNotHeap",
            "person",
            {
                "person": [
                    {"person_id": n, "year_of_birth": year, "month_of_birth": month}
                    for n, (year, month) in enumerate(
                        # The year alone is no month, and one month of two years is two.
                        [(1911, 1), (1911, 1), (1911, None), (1911, None), (1911, None), (1912, 1)],
                        start=1,
                    )
                ]
            },
            2,
            3,
        ),
        [1, 2],
    ),
    (
        Case(
            "valueFitsUnit",
            "measurement",
            numbered(
                "measurement",
                *creatinine(0.09, 0.1, 17, 88, None, *[88] * 5, *[1] * 291),
                # So much is usual in the other unit, of which nothing is said.
                *creatinine(88, unit=UMOL_PER_L),
            ),
            7,
            300,
            "value_as_number",
            CREATININE,
        ),
        [1, 4, 6, 7, 8, 9, 10],
    ),
    (
        Case(
            "valuesAreCentred",
            "measurement",
            numbered(
                "measurement",
                *creatinine(0.35, 0.36, 2, 2.1, 16, None, *[0.36] * 118, *[16] * 177),
            ),
            180,
            300,
            "value_as_number",
            CREATININE,
        ),
        [1, 4, 5, *range(125, 142)],
    ),
]


@pytest.mark.parametrize(
    ("case", "keys"), CASES, ids=[f"{case.type}-{case.table}" for case, _ in CASES]
)
def test_a_check_counts_what_its_type_says(case: Case, keys: list[int]) -> None:
    cdm = tiny_cdm(case.rows)
    check = check_of(case.type, case.table, case.field, case.concept)
    result = result_of(cdm, however_few(check))

    assert (result.outcome.violations, result.outcome.denominator) == (
        case.violations,
        case.denominator,
    )
    assert result.outcome.status is Status.FAILED
    (found,) = offender_keys(cdm, [result])
    assert (found.field, found.keys) == (f"{case.table}_id", tuple(map(str, keys)))


def test_every_own_type_has_a_case() -> None:
    assert {case.type for case, _ in CASES} == set(own_types())


def test_half_of_the_values_may_lie_outside_the_middle() -> None:
    rows = numbered("measurement", *creatinine(*[1] * 150, *[16] * 150))
    case = Case("valuesAreCentred", "measurement", rows, 150, 300, "value_as_number", CREATININE)

    assert outcome_of(case).status is Status.PASSED


@pytest.mark.parametrize(("count", "status"), [(299, "not_applicable"), (300, "failed")])
def test_of_few_values_nothing_is_said(count: int, status: str) -> None:
    check = check_of("valuesAreCentred", "measurement", "value_as_number", CREATININE)
    rows = numbered("measurement", *creatinine(*[16] * count))
    outcome = result_of(tiny_cdm(rows), check).outcome

    assert outcome.status.value == status
    assert (outcome.message == "nothing to check: fewer than 300 to look at") == (count < 300)


def test_every_own_type_says_how_few_are_too_few() -> None:
    # A visit of another person is no matter of chance: of any number something is said.
    others = {"isDuringStay": 200, "staysDoNotOverlap": 50, "isOfItsVisitsPerson": 1}
    assert {t.name: t.fewest for t in own_types().values()} == {
        name: others.get(name, 300) for name in own_types()
    }


@pytest.mark.parametrize("case", [case for case, _ in CASES], ids=lambda case: case.type)
def test_of_an_empty_table_there_is_nothing_to_check(case: Case) -> None:
    outcome = outcome_of(Case(case.type, case.table, {}, 0, 0, case.field, case.concept))

    assert outcome.status is Status.NOT_APPLICABLE
    assert outcome.message == "nothing to check: there is nothing that it looks at"


@pytest.mark.parametrize(
    ("type_", "table", "field", "missing"),
    [
        ("isDuringStay", "measurement", "measurement_date", "visit_occurrence.visit_concept_id"),
        ("isNotAfterDeath", "measurement", "measurement_date", "death.death_date"),
        ("staysDoNotOverlap", "visit_occurrence", "", "visit_occurrence.visit_end_date"),
        ("valueFitsUnit", "measurement", "value_as_number", "measurement.unit_concept_id"),
        ("isOfItsVisitsPerson", "note", "visit_occurrence_id", "visit_occurrence.person_id"),
        ("birthsDoNotHeap", "person", "", "person.month_of_birth"),
    ],
)
def test_what_a_check_compares_with_may_not_be_there(
    type_: str, table: str, field: str, missing: str
) -> None:
    concept = CREATININE if type_ == "valueFitsUnit" else 0
    outcome = result_of(
        tiny_cdm(without=(missing,)), check_of(type_, table, field, concept)
    ).outcome

    assert outcome.status is Status.NOT_APPLICABLE
    assert outcome.message == f"nothing to check: there is no field {missing}"


@pytest.mark.parametrize(
    ("field", "row", "message"),
    [
        ("days_supply", {"person_id": 1}, "the field has no value"),
        ("route_concept_id", {"route_concept_id": 0}, "there is nothing that it looks at"),
    ],
)
def test_a_field_that_is_not_recorded_at_all_is_not_asked_for_values(
    field: str, row: Mapping[str, Any], message: str
) -> None:
    rows = numbered("drug_exposure", *[row] * 300)
    outcome = result_of(tiny_cdm(rows), check_of("isKnown", "drug_exposure", field)).outcome

    assert outcome.status is Status.NOT_APPLICABLE
    assert outcome.message == f"nothing to check: {message}"


def test_no_name_is_one_of_dqd_s() -> None:
    checks = (*concrete_checks(), *own_checks())

    assert not own_types().keys() & check_types().keys()
    assert len({check.name for check in checks}) == len(checks)
    assert {check.type.name for check in own_checks()} == set(own_types())
    assert {check.family for check in own_checks()} == set(OWN_FAMILIES)


def test_a_family_of_its_own_is_counted_apart_from_dqd_s() -> None:
    for step in steps((*concrete_checks(), *own_checks())):
        own = {check.type.name in own_types() for check in step}
        assert len(own) == 1


def test_every_own_check_is_of_a_field_of_the_cdm() -> None:
    for check in own_checks():
        fields = {field.name for field in cdm_tables()[check.table].fields}
        assert not check.field or check.field in fields


def test_limits_are_of_a_test_and_a_unit_and_the_middle_lies_within_what_fits() -> None:
    limits = {
        (check.type.name, test, unit): tuple(map(float, check.value.split(",")))
        for check in own_checks()
        if check.value
        for test, unit in [check.concept_ids]
    }
    places = {(test, unit) for _, test, unit in limits}
    assert len(places) == 29
    concepts = project_concepts()
    for test, unit in places:
        assert (concepts[test].domain, concepts[unit].domain) == ("Measurement", "Unit")
        low, high = limits["valueFitsUnit", test, unit]
        from_, to = limits["valuesAreCentred", test, unit]
        assert low < from_ < to < high


DAY = st.integers(1, 4).map(may) | st.none()
PERSON = st.integers(1, 2)
VISIT = st.fixed_dictionaries(
    {
        "visit_occurrence_id": st.integers(1, 3),
        "person_id": PERSON,
        "visit_concept_id": st.sampled_from([INPATIENT, EMERGENCY_AND_INPATIENT, OUTPATIENT]),
        "visit_start_date": DAY,
        "visit_end_date": DAY,
    }
)
MEASUREMENT = st.fixed_dictionaries(
    {
        "measurement_id": st.integers(1, 9),
        "person_id": PERSON,
        "visit_occurrence_id": st.integers(1, 3) | st.none(),
        "measurement_date": DAY,
        "measurement_concept_id": st.just(CREATININE),
        "unit_concept_id": st.sampled_from([MG_PER_DL, UMOL_PER_L]) | st.none(),
        "value_as_number": st.sampled_from([0.01, 1.0, 88.0]) | st.none(),
    }
)


def counts(cdm: Cdm) -> dict[str, tuple[int | None, int | None]]:
    results = run_catalogue(cdm, own_checks())
    assert not [r.outcome.message for r in results if r.outcome.status is Status.ERROR]
    return {r.outcome.name: (r.outcome.violations, r.outcome.denominator) for r in results}


@settings(max_examples=15, deadline=None)
@given(st.lists(VISIT, max_size=5), st.lists(MEASUREMENT, max_size=5), st.randoms())
def test_the_order_of_rows_changes_nothing(
    visits: list[dict[str, Any]], measurements: list[dict[str, Any]], random: Any
) -> None:
    deaths = [{"person_id": 1, "death_date": may(day)} for day in (2, 3)]
    rows = {"visit_occurrence": visits, "measurement": measurements, "death": deaths}
    others = {table: random.sample(each, len(each)) for table, each in rows.items()}

    assert counts(tiny_cdm(rows)) == counts(tiny_cdm(others))


@settings(max_examples=10, deadline=None)
@given(st.lists(MEASUREMENT, min_size=1, max_size=5))
def test_a_repeated_death_or_stay_counts_no_row_twice(measurements: list[dict[str, Any]]) -> None:
    others = {"death": [{"person_id": 1, "death_date": may(2)}], **STAYS}
    once, twice = (tiny_cdm({**others, "measurement": measurements}) for _ in range(2))
    for table, rows in others.items():
        insert(twice.connection, table, rows)

    def of_measurements(cdm: Cdm) -> dict[str, tuple[int | None, int | None]]:
        return {k: v for k, v in counts(cdm).items() if k.startswith("measurement.")}

    assert of_measurements(once) == of_measurements(twice)


@settings(max_examples=10, deadline=None)
@given(st.lists(VISIT, min_size=1, max_size=6))
def test_a_stay_overlaps_when_one_that_began_before_it_has_not_ended(
    visits: list[dict[str, Any]],
) -> None:
    """Against pairs, in Python, of stays that begin on different days and have both."""
    stays = [
        each | {"visit_occurrence_id": number, "visit_start_date": may(1) + timedelta(3 * number)}
        for number, each in enumerate(visits)
        if each["visit_concept_id"] != OUTPATIENT and each["visit_end_date"]
    ]
    for each in stays:
        each["visit_end_date"] += timedelta(2 * each["visit_occurrence_id"])
    cdm = tiny_cdm({"visit_occurrence": stays})

    overlapping = {
        later["visit_occurrence_id"]
        for later in stays
        for earlier in stays
        if earlier["person_id"] == later["person_id"]
        and earlier["visit_start_date"] < later["visit_start_date"] < earlier["visit_end_date"]
    }
    found = counts(cdm)["visit_occurrence.stays_do_not_overlap"]
    assert found == (len(overlapping), len(stays))
