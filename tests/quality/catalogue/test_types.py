"""Each of the 27 types on rows that violate and rows that don't, counted by hand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import pytest

from pumasi.quality import Status
from pumasi.quality.catalogue import check_types
from tests.quality.catalogue.tiny import Case, Rows, days, outcome_of, rows

MALE, FEMALE = 8507, 8532
PERSONS: Rows = [
    {"person_id": 1, "gender_concept_id": MALE, "year_of_birth": 1980},
    {"person_id": 2, "gender_concept_id": FEMALE, "year_of_birth": 1990, "month_of_birth": 3},
    {"person_id": 3, "gender_concept_id": 0, "year_of_birth": 2000},
]
DEATHS: Rows = [{"person_id": 1, "death_date": date(2020, 1, 1)}]
CONCEPTS: Rows = [
    # A condition that may be recorded; one that is not standard; one no longer valid; a drug.
    {"concept_id": 0, "domain_id": "Metadata", "concept_class_id": "Undefined"},
    {
        "concept_id": 10,
        "domain_id": "Condition",
        "concept_class_id": "Disorder",
        "standard_concept": "S",
    },
    {"concept_id": 11, "domain_id": "Condition", "concept_class_id": "Disorder"},
    {
        "concept_id": 12,
        "domain_id": "Condition",
        "concept_class_id": "Disorder",
        "standard_concept": "S",
        "invalid_reason": "D",
    },
    {
        "concept_id": 20,
        "domain_id": "Drug",
        "concept_class_id": "Ingredient",
        "standard_concept": "S",
    },
]


def periods(*values: tuple[int, str, str]) -> Rows:
    """Observation periods by person, first and last day."""
    return [
        {
            "observation_period_id": number,
            "person_id": person,
            "observation_period_start_date": date.fromisoformat(start),
            "observation_period_end_date": date.fromisoformat(end),
        }
        for number, (person, start, end) in enumerate(values)
    ]


def units(*concepts: int | None, of: int) -> Mapping[str, Rows]:
    """Measurements of one concept in these units."""
    return {"measurement": rows("unit_concept_id", *concepts, measurement_concept_id=of)}


CASES = [
    Case("cdmTable", "death", {}, 1, 1, without=("death",)),
    Case("cdmTable", "death", {}, 0, 1),
    Case(
        "measurePersonCompleteness",
        "death",
        # Two rows of one person fill it once; a person that is not in person fills nothing.
        {"person": PERSONS, "death": [*DEATHS, *DEATHS, {"person_id": 9}, {"person_id": None}]},
        2,
        3,
    ),
    Case("measurePersonCompleteness", "death", {"person": PERSONS}, 3, 3),
    Case(
        "measureConditionEraCompleteness",
        "condition_era",
        {
            # Person 3 has nothing but unmapped conditions: no era is due.
            "condition_occurrence": [
                {"person_id": 1, "condition_concept_id": 10},
                {"person_id": 1, "condition_concept_id": 0},
                {"person_id": 2, "condition_concept_id": 10},
                {"person_id": 3, "condition_concept_id": 0},
            ],
            "condition_era": [{"person_id": 1, "condition_concept_id": 10}],
        },
        1,
        2,
    ),
    Case(
        "measureObservationPeriodOverlap",
        "observation_period",
        # 1 overlaps, 2 follows without a day between, 3 has a day between, 4 has one period; the
        # long one of 5 reaches beyond a short one into a third.
        {
            "observation_period": periods(
                (1, "2020-01-01", "2020-06-30"),
                (1, "2020-06-01", "2020-12-31"),
                (2, "2020-01-01", "2020-06-30"),
                (2, "2020-07-01", "2020-12-31"),
                (3, "2020-01-01", "2020-06-30"),
                (3, "2020-07-02", "2020-12-31"),
                (4, "2020-01-01", "2020-12-31"),
                (5, "2020-01-01", "2020-12-31"),
                (5, "2020-02-01", "2020-02-28"),
                (5, "2020-12-01", "2021-01-31"),
            )
        },
        3,
        5,
    ),
    Case("cdmField", "death", {}, 1, 1, "death_date", without=("death.death_date",)),
    Case("cdmField", "death", {}, 0, 1, "death_date"),
    Case(
        "isRequired", "person", {"person": rows("year_of_birth", 1980, None)}, 1, 2, "year_of_birth"
    ),
    Case(
        "cdmDatatype",
        "person",
        {"person": rows("year_of_birth", "1980", "1980.0", "1980.5", "soon", "nan", None)},
        3,
        6,
        "year_of_birth",
        types={"person.year_of_birth": "varchar"},
    ),
    Case("cdmDatatype", "person", {"person": PERSONS}, 0, 3, "person_id"),
    Case(
        "isPrimaryKey",
        "person",
        {"person": rows("person_id", 1, 2, 2, None, None)},
        2,
        5,
        "person_id",
    ),
    Case(
        "isForeignKey",
        "death",
        {"person": [*PERSONS, {"person_id": None}], "death": rows("person_id", 1, 1, 9, None)},
        1,
        4,
        "person_id",
    ),
    Case(
        "isForeignKey",
        "condition_occurrence",
        {
            "concept": CONCEPTS,
            "condition_occurrence": rows("condition_concept_id", 10, 0, 99, 99, None),
        },
        2,
        5,
        "condition_concept_id",
    ),
    Case(
        "fkDomain",
        "condition_occurrence",
        # 20 is a drug; 0 and the unknown 99 are of no other domain.
        {
            "concept": CONCEPTS,
            "condition_occurrence": rows("condition_concept_id", 10, 20, 0, 99, None),
        },
        1,
        5,
        "condition_concept_id",
    ),
    Case(
        "fkClass",
        "drug_era",
        {"concept": CONCEPTS, "drug_era": rows("drug_concept_id", 20, 10, 0, 99)},
        1,
        4,
        "drug_concept_id",
    ),
    Case(
        "isStandardValidConcept",
        "condition_occurrence",
        {
            "concept": CONCEPTS,
            "condition_occurrence": rows("condition_concept_id", 10, 11, 12, 0, 99, None),
        },
        2,
        5,
        "condition_concept_id",
    ),
    Case(
        "measureValueCompleteness",
        "death",
        {"death": rows("cause_source_value", "x", None, None)},
        2,
        3,
        "cause_source_value",
    ),
    Case(
        "standardConceptRecordCompleteness",
        "condition_occurrence",
        {"condition_occurrence": rows("condition_concept_id", 10, 0, None)},
        1,
        2,
        "condition_concept_id",
    ),
    Case(
        "standardConceptRecordCompleteness",
        "measurement",
        {
            "measurement": [
                # The unit may be missing: unless the source had one.
                {"unit_concept_id": 9529, "unit_source_value": "kg"},
                {"unit_concept_id": 0, "unit_source_value": "pounds"},
                {"unit_concept_id": None, "unit_source_value": "pounds"},
                {"unit_concept_id": None, "unit_source_value": None},
            ]
        },
        2,
        3,
        "unit_concept_id",
    ),
    Case(
        "sourceConceptRecordCompleteness",
        "condition_occurrence",
        {
            "condition_occurrence": [
                {"condition_source_concept_id": 45, "condition_source_value": "a"},
                {"condition_source_concept_id": 0, "condition_source_value": "b"},
                {"condition_source_concept_id": None, "condition_source_value": "c"},
                {"condition_source_concept_id": None, "condition_source_value": None},
            ]
        },
        2,
        3,
        "condition_source_concept_id",
    ),
    Case(
        "sourceValueCompleteness",
        "condition_occurrence",
        {
            "condition_occurrence": [
                # Distinct: a (mapped), b (unmapped once), c (unmapped twice), missing (mapped).
                {"condition_source_value": value, "condition_concept_id": concept}
                for value, concept in (
                    ("a", 10),
                    ("a", 10),
                    ("b", 10),
                    ("b", 0),
                    ("c", 0),
                    ("c", 0),
                    (None, 10),
                )
            ]
        },
        2,
        4,
        "condition_source_value",
    ),
    Case(
        "plausibleValueLow",
        "person",
        {"person": rows("year_of_birth", 1849, 1850, None)},
        1,
        2,
        "year_of_birth",
    ),
    Case(
        "plausibleValueLow",
        "condition_occurrence",
        {
            "condition_occurrence": rows(
                "condition_start_datetime",
                "1949-12-31 23:59",
                "1950-01-01 00:00",
                None,
            )
        },
        1,
        2,
        "condition_start_datetime",
    ),
    Case(
        "plausibleValueHigh",
        "drug_exposure",
        {"drug_exposure": rows("refills", 24, 25, None)},
        1,
        2,
        "refills",
    ),
    Case(
        "plausibleValueHigh",
        "person",
        {"person": rows("year_of_birth", 2027, 2028)},
        1,
        2,
        "year_of_birth",
    ),
    Case(
        "plausibleValueHigh",
        "death",
        # The tests are on 1 July 2026: tomorrow is still plausible.
        {"death": rows("death_date", date(2026, 7, 2), date(2026, 7, 3))},
        1,
        2,
        "death_date",
    ),
    Case(
        "plausibleTemporalAfter",
        "death",
        # 1 is born in 1980, that is on 1 June, 2 in March 1990; the birth of 9 is not known. All
        # rows are looked at.
        {
            "person": PERSONS,
            "death": days(
                "death_date",
                (1, date(1980, 5, 31)),
                (1, date(1980, 6, 1)),
                (2, date(1990, 2, 28)),
                (2, date(1990, 3, 1)),
                (9, date(1900, 1, 1)),
                (2, None),
            ),
        },
        2,
        6,
        "death_date",
    ),
    Case(
        "plausibleTemporalAfter",
        "visit_occurrence",
        {
            "visit_occurrence": [
                {"visit_start_date": date(2020, 1, 2), "visit_end_date": date(2020, 1, 1)},
                {"visit_start_date": date(2020, 1, 2), "visit_end_date": date(2020, 1, 2)},
                {"visit_start_date": date(2020, 1, 2), "visit_end_date": None},
            ]
        },
        1,
        3,
        "visit_end_date",
    ),
    Case(
        "plausibleDuringLife",
        "condition_occurrence",
        # 60 days after 1 January 2020 is 1 March; person 2 did not die.
        {
            "death": DEATHS,
            "condition_occurrence": days(
                "condition_start_date",
                (1, date(2020, 3, 1)),
                (1, date(2020, 3, 2)),
                (1, None),
                (2, date(2025, 1, 1)),
            ),
        },
        1,
        3,
        "condition_start_date",
    ),
    Case(
        "withinVisitDates",
        "condition_occurrence",
        {
            "visit_occurrence": [
                {
                    "visit_occurrence_id": 1,
                    "visit_start_date": date(2020, 1, 10),
                    "visit_end_date": date(2020, 1, 20),
                }
            ],
            "condition_occurrence": [
                {"visit_occurrence_id": visit, "condition_start_date": day}
                for visit, day in (
                    (1, date(2020, 1, 2)),
                    (1, date(2020, 1, 3)),
                    (1, date(2020, 1, 27)),
                    (1, date(2020, 1, 28)),
                    (2, date(1999, 1, 1)),
                    (None, date(1999, 1, 1)),
                )
            ],
        },
        2,
        4,
        "condition_start_date",
    ),
    Case(
        "plausibleAfterBirth",
        "condition_occurrence",
        # 2 was born in March 1990, that is on 1 March; the birth of 9 is not known.
        {
            "person": PERSONS,
            "condition_occurrence": days(
                "condition_start_date",
                (2, date(1990, 2, 28)),
                (2, date(1990, 3, 1)),
                (9, date(1900, 1, 1)),
                (1, None),
            ),
        },
        1,
        3,
        "condition_start_date",
    ),
    Case(
        "plausibleBeforeDeath",
        "condition_occurrence",
        {
            "death": DEATHS,
            "condition_occurrence": days(
                "condition_start_date",
                (1, date(2020, 3, 1)),
                (1, date(2020, 3, 2)),
                (1, None),
                (2, date(2025, 1, 1)),
            ),
        },
        1,
        2,
        "condition_start_date",
    ),
    Case(
        "plausibleStartBeforeEnd",
        "visit_occurrence",
        {
            "visit_occurrence": [
                {"visit_start_date": date(2020, 1, 2), "visit_end_date": date(2020, 1, 1)},
                {"visit_start_date": date(2020, 1, 2), "visit_end_date": date(2020, 1, 2)},
                {"visit_start_date": date(2020, 1, 2), "visit_end_date": None},
            ]
        },
        1,
        2,
        "visit_start_date",
    ),
    Case(
        "plausibleGender",
        "condition_occurrence",
        # A condition of men: a woman and a person of gender 0 have it too; 9 is not in person.
        {
            "person": PERSONS,
            "condition_occurrence": rows("person_id", 1, 2, 3, 9, condition_concept_id=26662)
            + rows("person_id", 2, condition_concept_id=10),
        },
        2,
        4,
        "condition_concept_id",
        26662,
    ),
    Case(
        "plausibleGenderUseDescendants",
        "condition_occurrence",
        # 50 is below both ancestors of the check, and each row counts once; 51 is below another.
        {
            "person": PERSONS,
            "concept_ancestor": [
                {"ancestor_concept_id": ancestor, "descendant_concept_id": descendant}
                for ancestor, descendant in ((4090861, 50), (4025213, 50), (443343, 51))
            ],
            "condition_occurrence": rows("person_id", 1, 2, condition_concept_id=50)
            + rows("person_id", 2, condition_concept_id=51),
        },
        1,
        2,
        "condition_concept_id",
        4090861,
    ),
    Case(
        "plausibleUnitConceptIds",
        "measurement",
        # 8523 is plausible and so is no unit; 9529 is not; that 0 is no unit is found elsewhere.
        units(8523, None, 9529, 0, of=3046485),
        1,
        3,
        "measurement_concept_id",
        3046485,
    ),
    Case(
        "plausibleUnitConceptIds",
        "measurement",
        # Of this one a unit must be given.
        units(8784, None, 9529, 0, of=3006315),
        2,
        3,
        "measurement_concept_id",
        3006315,
    ),
]


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case.type}-{case.table}-{case.violations}-{case.denominator}"
)
def test_a_check_counts_what_its_type_says(case: Case) -> None:
    outcome = outcome_of(case)
    assert (outcome.violations, outcome.denominator) == (case.violations, case.denominator)
    too_many = case.violations > outcome.threshold * case.denominator
    assert outcome.status is (Status.FAILED if too_many else Status.PASSED)


def test_every_type_has_a_case_with_a_violation() -> None:
    assert {case.type for case in CASES if case.violations} == set(check_types())


def test_every_type_that_counts_rows_has_a_case_with_a_good_row() -> None:
    good = {case.type for case in CASES if case.violations < case.denominator}
    assert good == set(check_types())
